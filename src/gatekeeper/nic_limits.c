#include "gatekeeper/nic_limits.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/container.h"

/* A class is changed when its limit has changed by more than this part. */
#define CHANGE 0.005

struct nic_limit {
	struct in6_addr peer;
	struct rate_limit limit;
	double applied; /* 0: it has no class yet */
	uint16_t minor;
	struct key_map_node node;
};

static struct nic_limit *limit_at(struct key_map_node *node)
{
	return node ? container_of(node, struct nic_limit, node) : NULL;
}

static bool is_taken(const struct nic_limits *limits, uint16_t minor)
{
	struct key_map_node *node = NULL;

	while ((node = key_map_next(&limits->by_peer, node)))
		if (limit_at(node)->minor == minor)
			return true;
	return false;
}

/* A minor number that no limit has; 0 if there is none left. */
static uint16_t take_minor(struct nic_limits *limits)
{
	for (unsigned tries = 0; tries < limits->minor_count; tries++) {
		uint16_t minor = (uint16_t)(limits->first_minor + limits->next_minor);

		limits->next_minor = (uint16_t)((limits->next_minor + 1u) % limits->minor_count);
		if (!is_taken(limits, minor))
			return minor;
	}
	return 0;
}

static struct nic_limit *add(struct nic_limits *limits, const struct in6_addr *peer, uint16_t minor)
{
	struct nic_limit *limit = calloc(1, sizeof *limit);

	if (!limit)
		return NULL;
	limit->peer = *peer;
	limit->minor = minor;
	if (key_map_add(&limits->by_peer, &limit->node, &limit->peer, sizeof limit->peer) < 0) {
		free(limit);
		return NULL;
	}
	return limit;
}

int nic_limits_tell(
	struct nic_limits *limits, const struct in6_addr *peer, double bytes_per_s, uint64_t now_ns)
{
	struct nic_limit *limit = limit_at(key_map_find(&limits->by_peer, peer, sizeof *peer));
	uint16_t minor;

	if (!limit && isinf(bytes_per_s))
		return 0;
	if (!limit) {
		minor = take_minor(limits);
		if (!minor)
			return -ENOSPC;
		limit = add(limits, peer, minor);
	}
	if (!limit)
		return -ENOMEM;
	rate_limit_tell(&limit->limit, bytes_per_s, now_ns);
	return 0;
}

static void drop(struct nic_limits *limits, struct nic_limit *limit)
{
	/* First nothing more goes into the class, then it goes, with what still waits in it. */
	(void)vnic_programs_set_class(limits->programs, limits->direction, &limit->peer, 0);
	if (limit->applied > 0)
		(void)shaper_unset(limits->shaper, limit->minor);
	key_map_remove(&limits->by_peer, &limit->node);
	free(limit);
}

static int apply(struct nic_limits *limits, struct nic_limit *limit, double bytes_per_s)
{
	const struct shaper_class class = {
		.minor = limit->minor,
		.parent = limits->parent,
		.rate = (uint64_t)(bytes_per_s / 100) + 1,
		.ceil = (uint64_t)bytes_per_s + 1,
	};
	bool is_new = limit->applied == 0;
	int result;

	if (!is_new && fabs(bytes_per_s - limit->applied) <= CHANGE * limit->applied)
		return 0;
	result = shaper_set(limits->shaper, &class);
	if (result < 0)
		return result;
	limit->applied = bytes_per_s;
	return is_new ? vnic_programs_set_class(limits->programs, limits->direction, &limit->peer,
				SHAPER_CLASSID(limit->minor))
		      : 0;
}

unsigned nic_limits_apply(struct nic_limits *limits, uint64_t now_ns)
{
	struct key_map_node *node = key_map_next(&limits->by_peer, NULL), *next;
	unsigned failures = 0;

	for (; node; node = next) {
		struct nic_limit *limit = limit_at(node);
		double bytes_per_s = rate_limit_at(&limit->limit, (double)limits->most, now_ns);

		next = key_map_next(&limits->by_peer, node);
		if (isinf(bytes_per_s))
			drop(limits, limit);
		else
			failures += apply(limits, limit, bytes_per_s) < 0;
	}
	return failures;
}

void nic_limits_clear(struct nic_limits *limits)
{
	struct key_map_node *node;

	while ((node = key_map_next(&limits->by_peer, NULL)))
		drop(limits, limit_at(node));
}
