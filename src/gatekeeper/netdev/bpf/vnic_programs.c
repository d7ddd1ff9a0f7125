#include "gatekeeper/netdev/bpf/vnic_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "gatekeeper/netdev/bpf/vnic.h"
#include "gatekeeper/netdev/netlink.h"
#include <vnic.skel.h>

/* Where our filters are on a clsact qdisc; others may have theirs beside them. */
#define FILTER_HANDLE 0x51u
#define FILTER_PRIORITY 0x51u

/* A program of ours has fewer maps. */
#define MAPS_MAX 16u

/* How many peers to ask the kernel for at once. */
#define BATCH 256u

struct vnic_programs {
	struct vnic *skeleton;
	int ifindex;
};

_Static_assert(sizeof(struct vnic_address) == sizeof(struct in6_addr), "addresses are the same");
_Static_assert(VNIC_PROGRAMS_ADDRESSES_MAX == VNIC_ADDRESSES_MAX, "there is room for them");

static const enum bpf_tc_attach_point points[] = {BPF_TC_EGRESS, BPF_TC_INGRESS};

/* ---- what the last agent left ---- */

static struct bpf_tc_hook hook_of(int ifindex, enum bpf_tc_attach_point point)
{
	return (struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook), .ifindex = ifindex, .attach_point = point};
}

static struct bpf_tc_opts place(void)
{
	return (struct bpf_tc_opts){.sz = sizeof(struct bpf_tc_opts),
		.handle = FILTER_HANDLE,
		.priority = FILTER_PRIORITY};
}

/* The program that hangs there already, as a descriptor; negative if there is none. */
static int find_program(int ifindex, enum bpf_tc_attach_point point)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	struct bpf_tc_opts found = place();

	if (bpf_tc_query(&hook, &found) < 0)
		return -ENOENT;
	return bpf_prog_get_fd_by_id(found.prog_id);
}

/* The programs' own variables are not taken over: what is in them is for this load. */
static bool is_shaped_alike(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return !bpf_map__is_internal(map) && bpf_map__type(map) == info->type &&
	       bpf_map__key_size(map) == info->key_size &&
	       bpf_map__value_size(map) == info->value_size;
}

static void take_over_map(struct vnic_programs *programs, int map_fd)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof info;
	struct bpf_map *map;

	if (bpf_obj_get_info_by_fd(map_fd, &info, &size) < 0)
		return;
	map = bpf_object__find_map_by_name(programs->skeleton->obj, info.name);
	if (map && is_shaped_alike(map, &info))
		bpf_map__reuse_fd(map, map_fd);
}

/* Use the maps of a program in the place of ours of the same name. */
static void take_over_maps_of(struct vnic_programs *programs, int program_fd)
{
	uint32_t ids[MAPS_MAX], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {.nr_map_ids = MAPS_MAX, .map_ids = (uintptr_t)ids};

	if (bpf_obj_get_info_by_fd(program_fd, &info, &size) < 0)
		return;
	for (unsigned i = 0; i < info.nr_map_ids && i < MAPS_MAX; i++) {
		int map_fd = bpf_map_get_fd_by_id(ids[i]);

		if (map_fd < 0)
			continue;
		take_over_map(programs, map_fd);
		close(map_fd);
	}
}

static void take_over_maps(struct vnic_programs *programs)
{
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		int program_fd = find_program(programs->ifindex, points[i]);

		if (program_fd < 0)
			continue;
		take_over_maps_of(programs, program_fd);
		close(program_fd);
	}
}

/* ---- what outlives us ---- */

static uint64_t state_of(const struct vnic_programs *programs, uint32_t index)
{
	uint64_t value = 0;

	(void)bpf_map_lookup_elem(bpf_map__fd(programs->skeleton->maps.state), &index, &value);
	return value;
}

static int set_state(struct vnic_programs *programs, uint32_t index, uint64_t value)
{
	return bpf_map_update_elem(
		bpf_map__fd(programs->skeleton->maps.state), &index, &value, BPF_ANY);
}

/* ---- the clsact ---- */

static struct bpf_tc_hook clsact_of(const struct vnic_programs *programs)
{
	return hook_of(programs->ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
}

/*
 * Returns 1 if it is made, 0 if it was there, or a negative errno. Killed before a program hangs on
 * it, we leave one that costs nothing, and that nobody remembers.
 */
static int make_clsact(struct vnic_programs *programs)
{
	struct bpf_tc_hook clsact = clsact_of(programs);
	int result = bpf_tc_hook_create(&clsact);

	if (result < 0)
		return result == -EEXIST ? 0 : result;
	(void)set_state(programs, VNIC_MADE_CLSACT, 1); /* if not, it stays */
	return 1;
}

static int visit_filter(struct nl_msg *message, void *context)
{
	*(bool *)context = true;
	return NL_OK;
}

static bool has_filters(struct nl_sock *socket, int ifindex)
{
	static const uint32_t parents[] = {
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)};
	bool is_found = false;

	for (unsigned i = 0; i < sizeof parents / sizeof *parents; i++) {
		const struct tcmsg of = {.tcm_ifindex = ifindex, .tcm_parent = parents[i]};

		if (netlink_dump(socket, RTM_GETTFILTER, &of, visit_filter, &is_found) < 0)
			return true; /* for all we know */
	}
	return is_found;
}

static void remove_clsact(struct vnic_programs *programs)
{
	struct bpf_tc_hook clsact = clsact_of(programs);
	struct nl_sock *socket;

	if (netlink_open(&socket) < 0)
		return;
	if (!has_filters(socket, programs->ifindex))
		(void)bpf_tc_hook_destroy(&clsact);
	nl_socket_free(socket);
}

/* ---- attaching ---- */

static int attach_program(
	int ifindex, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	struct bpf_tc_opts options = place();

	options.prog_fd = bpf_program__fd(program);
	options.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &options);
}

static int attach_both(struct vnic_programs *programs)
{
	struct bpf_tc_hook clsact = clsact_of(programs);
	int made = make_clsact(programs), result = made;

	if (result >= 0)
		result = attach_program(
			programs->ifindex, BPF_TC_EGRESS, programs->skeleton->progs.to_guest);
	if (result >= 0)
		result = attach_program(
			programs->ifindex, BPF_TC_INGRESS, programs->skeleton->progs.from_guest);
	if (result < 0 && made > 0)
		(void)bpf_tc_hook_destroy(&clsact);
	return result;
}

static int load_and_attach(struct vnic_programs *programs, uint32_t classid)
{
	int result;

	programs->skeleton = vnic__open();
	if (!programs->skeleton)
		return -errno;
	take_over_maps(programs);
	programs->skeleton->bss->class_of_vnic = classid;
	result = vnic__load(programs->skeleton);
	return result < 0 ? result : attach_both(programs);
}

int vnic_programs_attach(
	const char *netdev, uint32_t classid, struct vnic_programs **programs, struct error *error)
{
	struct vnic_programs *created = calloc(1, sizeof *created);
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "netdev '%s': no memory", netdev);
	libbpf_set_print(NULL); /* it would log every filter that is not there yet */
	created->ifindex = (int)if_nametoindex(netdev);
	result = created->ifindex ? load_and_attach(created, classid) : -ENODEV;
	if (result >= 0) {
		*programs = created;
		return 0;
	}
	vnic_programs_close(created);
	if (result == -EPERM || result == -EACCES)
		return error_set(error, result,
			"netdev '%s': BPF programs: %s; they need CAP_NET_ADMIN and CAP_BPF",
			netdev, strerror(-result));
	return error_set(error, result, "netdev '%s': BPF programs: %s", netdev, strerror(-result));
}

bool vnic_programs_are_attached(const struct vnic_programs *programs)
{
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct bpf_tc_hook hook = hook_of(programs->ifindex, points[i]);
		struct bpf_tc_opts found = place();

		if (bpf_tc_query(&hook, &found) < 0)
			return false;
	}
	return true;
}

void vnic_programs_close(struct vnic_programs *programs)
{
	vnic__destroy(programs->skeleton);
	free(programs);
}

void vnic_programs_detach(struct vnic_programs *programs)
{
	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct bpf_tc_hook hook = hook_of(programs->ifindex, points[i]);
		struct bpf_tc_opts options = place();

		(void)bpf_tc_detach(&hook, &options); /* the netdev may be gone, programs and all */
	}
	if (state_of(programs, VNIC_MADE_CLSACT))
		remove_clsact(programs);
	vnic_programs_close(programs);
}

/* ---- classes and counts ---- */

static struct bpf_map *classes(const struct vnic_programs *programs, enum vnic_direction direction)
{
	return direction == VNIC_SENDS ? programs->skeleton->maps.destinations
				       : programs->skeleton->maps.sources;
}

void vnic_programs_visit_classes(const struct vnic_programs *programs,
	enum vnic_direction direction, vnic_class_visitor *visit, void *context)
{
	int map_fd = bpf_map__fd(classes(programs, direction));
	struct in6_addr key, *previous = NULL;
	uint32_t classid;

	while (bpf_map_get_next_key(map_fd, previous, &key) == 0) {
		if (bpf_map_lookup_elem(map_fd, &key, &classid) == 0)
			visit(context, &key, classid);
		previous = &key;
	}
}

int vnic_programs_set_class(struct vnic_programs *programs, enum vnic_direction direction,
	const struct in6_addr *peer, uint32_t classid)
{
	int map_fd = bpf_map__fd(classes(programs, direction));
	int result;

	if (classid)
		return bpf_map_update_elem(map_fd, peer, &classid, BPF_ANY);
	result = bpf_map_delete_elem(map_fd, peer);
	return result == -ENOENT ? 0 : result;
}

static int counts(const struct vnic_programs *programs, enum vnic_direction direction)
{
	return bpf_map__fd(direction == VNIC_SENDS ? programs->skeleton->maps.sent
						   : programs->skeleton->maps.received);
}

void vnic_programs_forget(
	struct vnic_programs *programs, enum vnic_direction direction, const struct in6_addr *peer)
{
	(void)bpf_map_delete_elem(counts(programs, direction), peer);
}

/* Returns whether the kernel can do it (Linux 5.6); if so, it has been done, as far as `is_whole` says. */
static bool visit_in_batches(int map_fd, vnic_peer_visitor *visit, void *context, bool *is_whole)
{
	struct vnic_count found[BATCH];
	struct in6_addr keys[BATCH];
	uint32_t position, *after = NULL, count;
	int result;

	*is_whole = false;
	do {
		count = BATCH;
		result = bpf_map_lookup_batch(map_fd, after, &position, keys, found, &count, NULL);
		if (result < 0 && result != -ENOENT)
			return after != NULL; /* nobody is visited twice */
		for (unsigned i = 0; i < count; i++)
			visit(context, &keys[i], found[i].bytes, found[i].packets);
		after = &position;
	} while (result == 0);
	*is_whole = true;
	return true;
}

/* A walk starts anew when what it stands on is forgotten: of those who come and go fast, not all are waited for. */
static void visit_one_by_one(int map_fd, vnic_peer_visitor *visit, void *context)
{
	struct in6_addr key, *previous = NULL;
	struct vnic_count count;

	for (unsigned steps = 0; steps < 2 * VNIC_PEERS_MAX; steps++) {
		if (bpf_map_get_next_key(map_fd, previous, &key) < 0)
			return;
		if (bpf_map_lookup_elem(map_fd, &key, &count) == 0)
			visit(context, &key, count.bytes, count.packets);
		previous = &key;
	}
}

bool vnic_programs_visit(const struct vnic_programs *programs, enum vnic_direction direction,
	vnic_peer_visitor *visit, void *context)
{
	int map_fd = counts(programs, direction);
	bool is_whole;

	if (!visit_in_batches(map_fd, visit, context, &is_whole))
		visit_one_by_one(map_fd, visit, context);
	return is_whole;
}

/* ---- the guest's own addresses ---- */

/* Collects before it deletes: a walk may start anew after the key that it stood on has gone. */
static void remove_others(int map_fd, const struct in6_addr *addresses, unsigned count)
{
	struct in6_addr stale[2 * VNIC_ADDRESSES_MAX], key, *previous = NULL;
	unsigned stale_count = 0;

	while (stale_count < sizeof stale / sizeof *stale &&
		bpf_map_get_next_key(map_fd, previous, &key) == 0) {
		if (!address_is_among(&key, addresses, count))
			stale[stale_count++] = key;
		previous = &key;
	}
	while (stale_count)
		(void)bpf_map_delete_elem(map_fd, &stale[--stale_count]);
}

/* New ones may send before old ones may not, and nobody is turned away before all are known. */
int vnic_programs_set_addresses(
	struct vnic_programs *programs, const struct in6_addr *addresses, unsigned count)
{
	int map_fd = bpf_map__fd(programs->skeleton->maps.own_addresses);
	const uint8_t is_own = 1;
	int result = 0;

	if (count > VNIC_ADDRESSES_MAX)
		return -E2BIG;
	if (count == 0)
		result = set_state(programs, VNIC_IS_BOUND, 0);
	for (unsigned i = 0; i < count && result == 0; i++)
		result = bpf_map_update_elem(map_fd, &addresses[i], &is_own, BPF_ANY);
	if (result < 0)
		return result;
	remove_others(map_fd, addresses, count);
	return count ? set_state(programs, VNIC_IS_BOUND, 1) : 0;
}

uint64_t vnic_programs_forged(const struct vnic_programs *programs)
{
	return state_of(programs, VNIC_FORGED);
}
