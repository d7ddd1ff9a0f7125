#include "gatekeeper/nic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/clock.h"

/*
 * Classes on the uplink: per slot one for the vNIC, one below it for what has no limit of its own, and
 * a range for limits. HTB takes packets only in classes without children.
 */
#define FIRST_NIC 0x100u
#define FIRST_REST 0x200u
#define FIRST_LIMIT 0x1000u
#define LIMITS_PER_NIC 200u

/*
 * Without a promise, a vNIC has this part of the link: HTB counts in time, and nearly nothing
 * takes for ever.
 */
#define LEAST_PART 1000u

/* The ceiling of a class is changed by no less than this part. */
#define CHANGE 0.005

/* On the vNIC's own netdev, all are for limits. */
#define FIRST_OWN_LIMIT 0x100u
#define OWN_LIMITS 4096u

_Static_assert(FIRST_LIMIT + NIC_SLOTS * LIMITS_PER_NIC <= SHAPER_HOST, "classes have numbers");
_Static_assert(NIC_ADDRESSES_MAX <= VNIC_PROGRAMS_ADDRESSES_MAX, "all addresses may be bound");

/* ---- creating ---- */

static double sends_at_most(const struct nic_config *config)
{
	return config->send_max == UINT64_MAX ? INFINITY : (double)config->send_max;
}

static void take_config(
	struct nic *nic, const struct nic_config *config, const struct nic_place *place)
{
	nic->config = *config;
	nic->self =
		(struct directory_nic){.host = place->host, .address_count = config->address_count};
	memcpy(nic->self.name, config->name, sizeof nic->self.name);
	memcpy(nic->self.addresses, config->addresses, sizeof nic->self.addresses);
}

static void init_peers(struct nic *nic, const struct nic_place *place)
{
	const struct nic_part all = {&nic->outbound.division, &nic->outbound.nic};
	const struct nic_part far = {place->inbound, &nic->inbound};
	const struct nic_part near = {place->local, &nic->inbound_local};

	nic_peers_init(&nic->senders, VNIC_RECEIVES, place->host, far, near);
	nic_peers_init(&nic->destinations, VNIC_SENDS, place->host, all, all);
}

int nic_create(const struct nic_config *config, unsigned slot, const struct nic_place *place,
	struct nic **nic, struct error *error)
{
	struct nic *created = calloc(1, sizeof *created);

	if (!created || inbound_add_nic(place->inbound, &created->inbound, &config->receive) < 0)
		goto fail;
	if (inbound_add_nic(place->local, &created->inbound_local, &config->receive) < 0)
		goto fail_local;
	if (nic_outbound_init(&created->outbound, sends_at_most(config), place->inbound->grain) < 0)
		goto fail_outbound;
	take_config(created, config, place);
	created->slot = slot;
	init_peers(created, place);
	*nic = created;
	return 0;

fail_outbound:
	inbound_remove_nic(place->local, &created->inbound_local);
fail_local:
	inbound_remove_nic(place->inbound, &created->inbound);
fail:
	free(created);
	return error_set(error, -ENOMEM, "vNIC '%s': no memory", config->name);
}

void nic_destroy(struct nic *nic, const struct nic_place *place)
{
	nic_outbound_destroy(&nic->outbound);
	inbound_remove_nic(place->local, &nic->inbound_local);
	inbound_remove_nic(place->inbound, &nic->inbound);
	free(nic);
}

/* ---- attaching ---- */

static int set_classes(struct nic *nic, const struct nic_place *place)
{
	const struct nic_config *config = &nic->config;
	uint64_t link = place->link;
	double ceil = fmin(nic->outbound.ceil, (double)link);
	struct shaper_class class = {
		.minor = (uint16_t)(FIRST_NIC + nic->slot),
		.parent = SHAPER_LINK,
		.rate = config->send_min > link / LEAST_PART ? config->send_min : link / LEAST_PART,
		.ceil = (uint64_t)ceil,
		.weight = config->receive.weight,
	};
	int result;

	if (class.rate > class.ceil)
		class.rate = class.ceil;
	result = shaper_set(place->uplink, &class);
	if (result < 0)
		return result;
	class.parent = class.minor;
	class.minor = (uint16_t)(FIRST_REST + nic->slot);
	class.queue_bytes = shaper_queue_bytes(class.ceil);
	nic->ceil_in_force = ceil;
	return shaper_set(place->uplink, &class);
}

int nic_apply_ceil(struct nic *nic, const struct nic_place *place)
{
	double ceil = fmin(nic->outbound.ceil, (double)place->link);

	if (fabs(ceil - nic->ceil_in_force) <= CHANGE * nic->ceil_in_force)
		return 0;
	return set_classes(nic, place);
}

static uint64_t receives_at_most(const struct nic *nic, const struct nic_place *place)
{
	return (uint64_t)fmin(nic->config.receive.max, (double)place->link);
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
	nic_limits_adopt(&nic->sends, clock_now_ns());
	nic_limits_adopt(&nic->receives, clock_now_ns());
}

/* What it sends from is told by its addresses of IP. */
static int bind_addresses(struct nic *nic)
{
	struct in6_addr bound[NIC_ADDRESSES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < nic->config.address_count; i++)
		if (!address_is_hardware(&nic->config.addresses[i]))
			bound[count++] = nic->config.addresses[i];
	return vnic_programs_set_addresses(nic->programs, bound, count);
}

static int attach_programs(struct nic *nic, struct error *error)
{
	int result = vnic_programs_attach(
		nic->config.netdev, SHAPER_CLASSID(FIRST_REST + nic->slot), &nic->programs, error);

	if (result < 0)
		return result;
	result = bind_addresses(nic);
	return result < 0 ? error_set(error, result, "its addresses cannot be bound: %s",
				    strerror(-result))
			  : 0;
}

/* Classes first: what the programs lead into them must find them. */
static int attach_parts(struct nic *nic, const struct nic_place *place, struct error *error)
{
	int result = set_classes(nic, place);

	if (result < 0)
		return error_set(error, result, "its classes on the uplink: %s", strerror(-result));
	result = shaper_open(nic->config.netdev, receives_at_most(nic, place),
		place->state_directory, &nic->towards_guest, error);
	if (result == 0)
		result = attach_programs(nic, error);
	if (result == 0)
		set_up_limits(nic, place);
	return result;
}

int nic_attach(struct nic *nic, const struct nic_place *place, struct error *error)
{
	int result;

	nic->ifindex = (int)if_nametoindex(nic->config.netdev);
	result = attach_parts(nic, place, error);
	if (result < 0) {
		nic_detach(nic, place, true);
		return error_prefix(error, result, "vNIC '%s': ", nic->config.name);
	}
	nic->is_attached = true;
	nic->is_left_in_force = false;
	*nic->trouble = '\0';
	return 0;
}

static void clear_uplink(struct nic *nic, struct shaper *uplink)
{
	(void)shaper_unset(uplink, (uint16_t)(FIRST_REST + nic->slot));
	(void)shaper_unset(uplink, (uint16_t)(FIRST_NIC + nic->slot));
}

/* Programs go before the classes that they lead into. */
static void take_off(struct nic *nic, const struct nic_place *place)
{
	nic_limits_clear(&nic->sends);
	nic_limits_clear(&nic->receives);
	if (nic->programs)
		vnic_programs_detach(nic->programs);
	if (nic->towards_guest)
		shaper_remove(nic->towards_guest);
	if (place->uplink)
		clear_uplink(nic, place->uplink);
}

/* What was left in force is taken over once more, to be taken off. */
static void find_again(struct nic *nic, const struct nic_place *place)
{
	struct error error; /* the netdev may have gone meanwhile */

	if (!nic->programs &&
		vnic_programs_attach(nic->config.netdev, 0, &nic->programs, &error) < 0)
		nic->programs = NULL;
	if (!nic->towards_guest && shaper_open(nic->config.netdev, place->link,
					   place->state_directory, &nic->towards_guest, &error) < 0)
		nic->towards_guest = NULL;
}

static void leave_in_force(struct nic *nic)
{
	nic_limits_forget(&nic->sends);
	nic_limits_forget(&nic->receives);
	if (nic->programs)
		vnic_programs_close(nic->programs);
	if (nic->towards_guest)
		shaper_close(nic->towards_guest);
}

void nic_detach(struct nic *nic, const struct nic_place *place, bool is_final)
{
	nic_peers_clear(&nic->senders);
	nic_peers_clear(&nic->destinations);
	if (is_final && nic->is_left_in_force)
		find_again(nic, place);
	if (is_final)
		take_off(nic, place);
	else
		leave_in_force(nic);
	nic->programs = NULL;
	nic->towards_guest = NULL;
	nic->is_left_in_force = !is_final && (nic->is_attached || nic->is_left_in_force);
	nic->is_attached = false;
	nic->ifindex = 0;
}

bool nic_is_in_force(struct nic *nic, const struct nic_place *place)
{
	return shaper_set_link(nic->towards_guest, receives_at_most(nic, place)) != -ENOENT &&
	       vnic_programs_are_attached(nic->programs);
}

/* ---- changing ---- */

static void take_promises(
	struct nic *nic, const struct nic_config *config, const struct nic_place *place)
{
	take_config(nic, config, place);
	nic->inbound.promise = nic->inbound_local.promise = config->receive;
	nic_outbound_set(&nic->outbound, sends_at_most(config));
}

static int apply_change(struct nic *nic, const struct nic_place *place)
{
	int result = set_classes(nic, place);

	if (result == 0)
		result = shaper_set_link(nic->towards_guest, receives_at_most(nic, place));
	if (result == 0)
		result = bind_addresses(nic);
	return result;
}

int nic_change(struct nic *nic, const struct nic_config *config, const struct nic_place *place,
	struct error *error)
{
	const struct nic_config before = nic->config;
	int result = 0;

	take_promises(nic, config, place);
	if (nic->is_attached)
		result = apply_change(nic, place);
	if (result == 0)
		return 0;
	take_promises(nic, &before, place);
	(void)apply_change(nic, place);
	return error_set(
		error, result, "vNIC '%s': cannot be changed: %s", config->name, strerror(-result));
}

bool nic_has_address(const struct nic *nic, const struct in6_addr *address)
{
	return address_is_among(address, nic->config.addresses, nic->config.address_count);
}

/* ---- what its classes have counted ---- */

unsigned nic_slot_of_class(uint16_t minor)
{
	if (minor >= FIRST_REST && minor < FIRST_REST + NIC_SLOTS)
		return minor - FIRST_REST;
	if (minor >= FIRST_LIMIT && minor < FIRST_LIMIT + NIC_SLOTS * LIMITS_PER_NIC)
		return (minor - FIRST_LIMIT) / LIMITS_PER_NIC;
	return NIC_SLOTS;
}

void nic_note_class(struct nic *nic, enum vnic_direction direction, uint16_t minor,
	const struct shaper_counters *counters)
{
	if (direction == VNIC_SENDS && minor == FIRST_REST + nic->slot)
		nic->rest_sent = *counters;
	else if (direction == VNIC_RECEIVES && minor == SHAPER_HOST)
		nic->rest_received = *counters;
	else
		nic_limits_note(
			direction == VNIC_SENDS ? &nic->sends : &nic->receives, minor, counters);
}
