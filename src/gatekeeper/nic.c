#include "gatekeeper/nic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/container.h"

/* A sender that has been silent so long is forgotten. */
#define SILENCE_NS (10 * NS_PER_S)

/*
 * Classes on the uplink: per slot one for the vNIC, one below it for what has no limit of its own, and
 * a range for limits. HTB takes packets only in classes without children.
 */
#define FIRST_NIC 0x100u
#define FIRST_REST 0x200u
#define FIRST_LIMIT 0x1000u
#define LIMITS_PER_NIC 200u

/* Without a promise, a vNIC has this part of the link: HTB counts in time, and nearly nothing takes for ever. */
#define LEAST_PART 1000u

/* On the vNIC's own netdev, all are for limits. */
#define FIRST_OWN_LIMIT 0x100u
#define OWN_LIMITS 4096u

_Static_assert(FIRST_LIMIT + NIC_SLOTS * LIMITS_PER_NIC <= SHAPER_HOST, "classes have numbers");

/* ---- opening and closing ---- */

static int set_classes(const struct nic *nic, const struct nic_place *place)
{
	const struct nic_config *config = &nic->config;
	uint64_t link = place->link;
	struct shaper_class class = {
		.minor = (uint16_t)(FIRST_NIC + nic->slot),
		.parent = SHAPER_LINK,
		.rate = config->send_min > link / LEAST_PART ? config->send_min : link / LEAST_PART,
		.ceil = config->send_max < link ? config->send_max : link,
	};
	int result = shaper_set(place->uplink, &class);

	if (result < 0)
		return result;
	class.parent = class.minor;
	class.minor = (uint16_t)(FIRST_REST + nic->slot);
	return shaper_set(place->uplink, &class);
}

static int open_netdev(struct nic *nic, const struct nic_place *place, struct error *error)
{
	const struct nic_config *config = &nic->config;
	double most = fmin(config->receive.max, (double)place->link);
	int result = shaper_open(
		config->netdev, (uint64_t)most, place->state_directory, &nic->towards_guest, error);

	if (result < 0)
		return result;
	return vnic_programs_attach(
		config->netdev, SHAPER_CLASSID(FIRST_REST + nic->slot), &nic->programs, error);
}

static void set_up_limits(struct nic *nic, const struct nic_place *place)
{
	nic->sends = (struct nic_limits){
		.programs = nic->programs,
		.direction = VNIC_SENDS,
		.shaper = place->uplink,
		.parent = (uint16_t)(FIRST_NIC + nic->slot),
		.first_minor = (uint16_t)(FIRST_LIMIT + nic->slot * LIMITS_PER_NIC),
		.minor_count = LIMITS_PER_NIC,
		.most = place->link,
	};
	nic->receives = (struct nic_limits){
		.programs = nic->programs,
		.direction = VNIC_RECEIVES,
		.shaper = nic->towards_guest,
		.parent = SHAPER_LINK,
		.first_minor = FIRST_OWN_LIMIT,
		.minor_count = OWN_LIMITS,
		.most = place->link,
	};
}

static int open_parts(struct nic *nic, const struct nic_place *place, struct error *error)
{
	int result = open_netdev(nic, place, error);

	if (result < 0)
		return result;
	set_up_limits(nic, place);
	result = set_classes(nic, place);
	if (result < 0)
		error_set(error, result, "its classes on the uplink: %s", strerror(-result));
	return result;
}

int nic_open(const struct nic_config *config, unsigned slot, const struct nic_place *place,
	struct nic **nic, struct error *error)
{
	struct nic *created = calloc(1, sizeof *created);
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "vNIC '%s': no memory", config->name);
	created->config = *config;
	created->slot = slot;
	result = inbound_add_nic(place->inbound, &created->inbound, &config->receive);
	if (result < 0) {
		free(created);
		return error_set(error, result, "vNIC '%s': no memory", config->name);
	}
	result = open_parts(created, place, error);
	if (result < 0) {
		nic_close(created, place, true);
		return error_prefix(error, result, "vNIC '%s': ", config->name);
	}
	*nic = created;
	return 0;
}

static void forget_sender(struct nic *nic, struct nic_sender *sender);

static void forget_senders(struct nic *nic)
{
	struct nic_sender *sender;

	while ((sender = nic_next_sender(nic, NULL)))
		forget_sender(nic, sender);
}

static void clear_uplink(struct nic *nic, struct shaper *uplink)
{
	(void)shaper_unset(uplink, (uint16_t)(FIRST_REST + nic->slot));
	(void)shaper_unset(uplink, (uint16_t)(FIRST_NIC + nic->slot));
}

void nic_close(struct nic *nic, const struct nic_place *place, bool is_final)
{
	forget_senders(nic);
	inbound_remove_nic(place->inbound, &nic->inbound);
	if (nic->programs && is_final) {
		nic_limits_clear(&nic->sends);
		nic_limits_clear(&nic->receives);
		vnic_programs_detach(nic->programs);
		clear_uplink(nic, place->uplink);
	} else if (nic->programs) {
		vnic_programs_close(nic->programs);
	}
	if (nic->towards_guest)
		(is_final ? shaper_remove : shaper_close)(nic->towards_guest);
	free(nic);
}

/* ---- measuring ---- */

struct measurement {
	struct nic *nic;
	struct inbound *inbound;
	uint64_t period_ns;
	uint64_t now_ns;
};

static struct nic_sender *sender_at(struct key_map_node *node)
{
	return node ? container_of(node, struct nic_sender, node) : NULL;
}

struct nic_sender *nic_next_sender(const struct nic *nic, const struct nic_sender *sender)
{
	return sender_at(key_map_next(&nic->senders, sender ? &sender->node : NULL));
}

static struct nic_sender *add_sender(
	struct measurement *measurement, const struct in6_addr *address, uint64_t bytes)
{
	struct nic *nic = measurement->nic;
	struct nic_sender *sender = calloc(1, sizeof *sender);

	if (!sender)
		return NULL;
	sender->address = *address;
	/* What was counted before we looked first is not this period's. */
	sender->bytes_before = nic->is_measured ? 0 : bytes;
	sender->heard_ns = measurement->now_ns;
	if (inbound_add_pair(measurement->inbound, &nic->inbound, &sender->pair) < 0)
		goto fail;
	if (key_map_add(&nic->senders, &sender->node, &sender->address, sizeof sender->address) < 0)
		goto fail_map;
	return sender;

fail_map:
	inbound_remove_pair(&nic->inbound, &sender->pair);
fail:
	free(sender);
	return NULL;
}

static void measure_sender(
	void *context, const struct in6_addr *address, uint64_t bytes, uint64_t packets)
{
	struct measurement *measurement = context;
	struct nic_sender *sender =
		sender_at(key_map_find(&measurement->nic->senders, address, sizeof *address));

	if (!sender)
		sender = add_sender(measurement, address, bytes);
	if (!sender)
		return;
	/* Less than before: it was forgotten, and counted anew. */
	if (bytes < sender->bytes_before)
		sender->bytes_before = 0;
	sender->pair.used =
		(double)(bytes - sender->bytes_before) * NS_PER_S / (double)measurement->period_ns;
	if (bytes != sender->bytes_before)
		sender->heard_ns = measurement->now_ns;
	sender->bytes_before = bytes;
}

static void forget_sender(struct nic *nic, struct nic_sender *sender)
{
	key_map_remove(&nic->senders, &sender->node);
	if (nic->programs)
		vnic_programs_forget(nic->programs, VNIC_RECEIVES, &sender->address);
	inbound_remove_pair(&nic->inbound, &sender->pair);
	free(sender);
}

static void forget_the_silent(struct nic *nic, uint64_t now_ns)
{
	struct nic_sender *sender = nic_next_sender(nic, NULL), *next;

	for (; sender; sender = next) {
		next = nic_next_sender(nic, sender);
		if (now_ns - sender->heard_ns > SILENCE_NS)
			forget_sender(nic, sender);
	}
}

void nic_measure(struct nic *nic, struct inbound *inbound, uint64_t period_ns, uint64_t now_ns)
{
	struct measurement measurement = {nic, inbound, period_ns, now_ns};
	struct nic_sender *sender = NULL;

	while ((sender = nic_next_sender(nic, sender)))
		sender->pair.used = 0;
	vnic_programs_visit(nic->programs, VNIC_RECEIVES, measure_sender, &measurement);
	nic->is_measured = true;
	forget_the_silent(nic, now_ns);
}

bool nic_has_address(const struct nic *nic, const struct in6_addr *address)
{
	for (unsigned i = 0; i < nic->config.address_count; i++)
		if (memcmp(&nic->config.addresses[i], address, sizeof *address) == 0)
			return true;
	return false;
}
