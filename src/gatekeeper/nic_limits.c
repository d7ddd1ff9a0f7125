#include "gatekeeper/nic_limits.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/container.h"

/* A class is changed when its limit has changed by more than this part. */
#define CHANGE 0.005

/* A limit that means nothing any more: its class stays for so long, then without traffic for so long. */
#define LINGER_NS (5 * NS_PER_S)
#define DRAIN_NS NS_PER_S

static struct nic_limit *limit_at(struct key_map_node *node)
{
	return node ? container_of(node, struct nic_limit, node) : NULL;
}

static struct nic_limit *find_minor(const struct nic_limits *limits, uint16_t minor)
{
	struct key_map_node *node = NULL;

	while ((node = key_map_next(&limits->by_peer, node)))
		if (limit_at(node)->minor == minor)
			return limit_at(node);
	return NULL;
}

void nic_limits_note(
	struct nic_limits *limits, uint16_t minor, const struct shaper_counters *counters)
{
	struct nic_limit *limit = find_minor(limits, minor);

	if (limit)
		limit->counters = *counters;
}

/* A minor number that no limit has; 0 if there is none left. */
static uint16_t take_minor(struct nic_limits *limits)
{
	if (key_map_count(&limits->by_peer) >= limits->minor_count)
		return 0;
	for (unsigned tries = 0; tries < limits->minor_count; tries++) {
		uint16_t minor = (uint16_t)(limits->first_minor + limits->next_minor);

		limits->next_minor = (uint16_t)((limits->next_minor + 1u) % limits->minor_count);
		if (!find_minor(limits, minor))
			return minor;
	}
	return 0;
}

const struct nic_limit *nic_limits_find(
	const struct nic_limits *limits, const struct in6_addr *identity)
{
	return limit_at(key_map_find(&limits->by_peer, identity, sizeof *identity));
}

/* ---- who is limited ---- */

static struct nic_limit *add(
	struct nic_limits *limits, const struct in6_addr *identity, uint16_t minor)
{
	struct nic_limit *limit = calloc(1, sizeof *limit);

	if (!limit)
		return NULL;
	limit->identity = *identity;
	limit->minor = minor;
	if (key_map_add(&limits->by_peer, &limit->node, &limit->identity, sizeof *identity) < 0) {
		free(limit);
		return NULL;
	}
	return limit;
}

/* Lead all of a peer's addresses into the limit's class, and those that are not its any more out of it. */
static int set_addresses(
	struct nic_limits *limits, struct nic_limit *limit, const struct directory_nic *peer)
{
	int result = 0;

	for (unsigned i = 0; i < peer->address_count && limit->is_led && result == 0; i++)
		result = vnic_programs_set_class(limits->programs, limits->direction,
			&peer->addresses[i], SHAPER_CLASSID(limit->minor));
	for (unsigned i = 0; i < limit->address_count && limit->is_led; i++)
		if (!address_is_among(&limit->addresses[i], peer->addresses, peer->address_count))
			(void)vnic_programs_set_class(
				limits->programs, limits->direction, &limit->addresses[i], 0);
	memcpy(limit->addresses, peer->addresses, sizeof limit->addresses);
	limit->address_count = peer->address_count;
	return result;
}

/* An address is in one class: that of the limit told last. */
static void take_from_others(
	struct nic_limits *limits, const struct directory_nic *peer, const struct nic_limit *taker)
{
	struct key_map_node *node = NULL;
	struct nic_limit *limit;

	while ((node = key_map_next(&limits->by_peer, node))) {
		limit = limit_at(node);
		for (unsigned i = 0; limit != taker && i < limit->address_count;)
			if (address_is_among(
				    &limit->addresses[i], peer->addresses, peer->address_count))
				limit->addresses[i] = limit->addresses[--limit->address_count];
			else
				i++;
	}
}

static bool has_moved(const struct nic_limit *limit, const struct directory_nic *peer)
{
	return limit->address_count != peer->address_count ||
	       memcmp(limit->addresses, peer->addresses,
		       peer->address_count * sizeof *peer->addresses) != 0;
}

int nic_limits_tell(struct nic_limits *limits, const struct directory_nic *peer,
	const char *told_by, double bytes_per_s, uint64_t now_ns)
{
	const struct in6_addr *identity = &peer->addresses[0];
	struct nic_limit *limit =
		limit_at(key_map_find(&limits->by_peer, identity, sizeof *identity));
	uint16_t minor;

	if (!limit && isinf(bytes_per_s))
		return 0;
	if (!limit) {
		minor = take_minor(limits);
		if (!minor)
			return -ENOSPC;
		limit = add(limits, identity, minor);
	}
	if (!limit)
		return -ENOMEM;
	snprintf(limit->told_by, sizeof limit->told_by, "%s", told_by);
	rate_limit_tell(&limit->limit, bytes_per_s, now_ns);
	if (!has_moved(limit, peer))
		return 0;
	take_from_others(limits, peer, limit);
	return set_addresses(limits, limit, peer);
}

/* ---- what is in force ---- */

static int set_classes(struct nic_limits *limits, const struct nic_limit *limit, uint32_t classid)
{
	int result = 0;

	for (unsigned i = 0; i < limit->address_count && result == 0; i++)
		result = vnic_programs_set_class(
			limits->programs, limits->direction, &limit->addresses[i], classid);
	return result;
}

static int lead(struct nic_limits *limits, struct nic_limit *limit)
{
	int result = set_classes(limits, limit, SHAPER_CLASSID(limit->minor));

	limit->is_led = result == 0;
	return result;
}

/* First nothing more goes into the class, then it goes, with what still waits in it. */
static void drop(struct nic_limits *limits, struct nic_limit *limit)
{
	(void)set_classes(limits, limit, 0);
	if (limit->applied > 0)
		(void)shaper_unset(limits->shaper, limit->minor);
	key_map_remove(&limits->by_peer, &limit->node);
	free(limit);
}

static int set_rate(struct nic_limits *limits, struct nic_limit *limit, double bytes_per_s)
{
	uint32_t queue_bytes = shaper_queue_bytes((uint64_t)bytes_per_s);
	const struct shaper_class class = {
		.minor = limit->minor,
		.parent = limits->parent,
		.rate = (uint64_t)(bytes_per_s / 100) + 1,
		.ceil = (uint64_t)bytes_per_s + 1,
		.queue_bytes = queue_bytes == limit->queue_bytes ? 0 : queue_bytes,
	};
	int result;

	if (limit->applied > 0 && fabs(bytes_per_s - limit->applied) <= CHANGE * limit->applied)
		return 0;
	result = shaper_set(limits->shaper, &class);
	if (result < 0)
		return result;
	limit->applied = bytes_per_s;
	limit->queue_bytes = queue_bytes;
	return 0;
}

static int apply(struct nic_limits *limits, struct nic_limit *limit, double bytes_per_s)
{
	int result = set_rate(limits, limit, bytes_per_s);

	limit->lifted_ns = 0;
	return result || limit->is_led ? result : lead(limits, limit);
}

/*
 * Take leave of a limit that means nothing any more, step by step: its class has no ceiling of its own for
 * a while, then its peer's traffic goes with the rest while its queue empties, then it goes.
 */
static int retire(struct nic_limits *limits, struct nic_limit *limit, uint64_t now_ns)
{
	uint64_t since_ns = now_ns - limit->lifted_ns;

	if (limit->applied == 0 || (!limit->is_led && since_ns > LINGER_NS + DRAIN_NS)) {
		drop(limits, limit);
		return 0;
	}
	if (!limit->lifted_ns) {
		limit->lifted_ns = now_ns;
		return set_rate(limits, limit, (double)limits->most);
	}
	if (since_ns <= LINGER_NS)
		return 0;
	limit->is_led = false;
	return set_classes(limits, limit, 0);
}

unsigned nic_limits_apply(struct nic_limits *limits, uint64_t now_ns)
{
	struct key_map_node *node = key_map_next(&limits->by_peer, NULL), *next;
	unsigned failures = 0;

	for (; node; node = next) {
		struct nic_limit *limit = limit_at(node);
		double bytes_per_s = rate_limit_at(&limit->limit, (double)limits->most, now_ns);

		next = key_map_next(&limits->by_peer, node);
		failures += (isinf(bytes_per_s) ? retire(limits, limit, now_ns)
						: apply(limits, limit, bytes_per_s)) < 0;
	}
	return failures;
}

void nic_limits_clear(struct nic_limits *limits)
{
	struct key_map_node *node;

	while ((node = key_map_next(&limits->by_peer, NULL)))
		drop(limits, limit_at(node));
}

void nic_limits_forget(struct nic_limits *limits)
{
	struct key_map_node *node;

	while ((node = key_map_next(&limits->by_peer, NULL))) {
		key_map_remove(&limits->by_peer, node);
		free(limit_at(node));
	}
}

/* ---- what a predecessor left ---- */

struct adoption {
	struct nic_limits *limits;
	uint64_t now_ns;
};

/* Its first address may not be the one that stands for it; then it fades when that is told. */
static void adopt_address(void *context, const struct in6_addr *peer, uint32_t classid)
{
	struct nic_limits *limits = ((struct adoption *)context)->limits;
	uint16_t minor = (uint16_t)(classid & 0xffff);
	struct nic_limit *limit = find_minor(limits, minor);

	if (minor < limits->first_minor || minor >= limits->first_minor + limits->minor_count)
		return;
	if (!limit)
		limit = add(limits, peer, minor);
	if (limit && limit->address_count < DIRECTORY_ADDRESSES_MAX)
		limit->addresses[limit->address_count++] = *peer;
} /* NOLINT(clang-analyzer-unix.Malloc): the map has the limit */

static void adopt_rate(
	void *context, uint16_t minor, uint64_t ceil, const struct shaper_counters *counters)
{
	const struct adoption *adoption = context;
	struct nic_limit *limit = find_minor(adoption->limits, minor);

	if (!limit)
		return;
	limit->applied = (double)ceil;
	limit->is_led = true;
	rate_limit_tell(&limit->limit, limit->applied, adoption->now_ns);
}

void nic_limits_adopt(struct nic_limits *limits, uint64_t now_ns)
{
	struct adoption adoption = {limits, now_ns};
	struct key_map_node *node, *next;

	vnic_programs_visit_classes(limits->programs, limits->direction, adopt_address, &adoption);
	(void)shaper_visit(limits->shaper, adopt_rate, &adoption);
	/* What leads to a class that is not there leads nowhere. */
	for (node = key_map_next(&limits->by_peer, NULL); node; node = next) {
		next = key_map_next(&limits->by_peer, node);
		if (limit_at(node)->applied == 0)
			drop(limits, limit_at(node));
	}
}
