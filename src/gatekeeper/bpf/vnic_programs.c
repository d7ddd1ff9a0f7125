#include "gatekeeper/bpf/vnic_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gatekeeper/bpf/vnic.h"
#include <vnic.skel.h>

/* Where our filters are on a clsact qdisc; others may have theirs beside them. */
#define FILTER_HANDLE 0x51u
#define FILTER_PRIORITY 0x51u

struct vnic_programs {
	struct vnic *skeleton;
	int ifindex;
};

_Static_assert(sizeof(struct vnic_address) == sizeof(struct in6_addr), "addresses are the same");

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

static bool is_called(int map_fd, const char *name)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof info;

	return bpf_obj_get_info_by_fd(map_fd, &info, &size) == 0 && strcmp(info.name, name) == 0;
}

/* Use the map of that name that a program has, if it has one. */
static void take_over(int program_fd, struct bpf_map *map)
{
	uint32_t ids[8], size = sizeof(struct bpf_prog_info);
	struct bpf_prog_info info = {
		.nr_map_ids = sizeof ids / sizeof *ids, .map_ids = (uintptr_t)ids};

	if (bpf_obj_get_info_by_fd(program_fd, &info, &size) < 0)
		return;
	for (unsigned i = 0; i < info.nr_map_ids && i < sizeof ids / sizeof *ids; i++) {
		int map_fd = bpf_map_get_fd_by_id(ids[i]);

		if (map_fd >= 0 && is_called(map_fd, bpf_map__name(map)))
			bpf_map__reuse_fd(map, map_fd);
		if (map_fd >= 0)
			close(map_fd);
	}
}

static void take_over_maps(struct vnic_programs *programs)
{
	int to_guest = find_program(programs->ifindex, BPF_TC_EGRESS);
	int from_guest = find_program(programs->ifindex, BPF_TC_INGRESS);

	if (to_guest >= 0) {
		take_over(to_guest, programs->skeleton->maps.received);
		take_over(to_guest, programs->skeleton->maps.sources);
		close(to_guest);
	}
	if (from_guest >= 0) {
		take_over(from_guest, programs->skeleton->maps.destinations);
		close(from_guest);
	}
}

/* ---- attaching ---- */

static int attach_program(
	int ifindex, enum bpf_tc_attach_point point, const struct bpf_program *program)
{
	struct bpf_tc_hook hook = hook_of(ifindex, point);
	struct bpf_tc_opts options = place();
	int result = bpf_tc_hook_create(&hook);

	if (result < 0 && result != -EEXIST)
		return result;
	options.prog_fd = bpf_program__fd(program);
	options.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &options);
}

static int attach_both(struct vnic_programs *programs)
{
	int result = attach_program(
		programs->ifindex, BPF_TC_EGRESS, programs->skeleton->progs.to_guest);

	if (result < 0)
		return result;
	return attach_program(
		programs->ifindex, BPF_TC_INGRESS, programs->skeleton->progs.from_guest);
}

int vnic_programs_attach(
	const char *netdev, uint32_t classid, struct vnic_programs **programs, struct error *error)
{
	struct vnic_programs *created = calloc(1, sizeof *created);
	int result = -ENOMEM;

	if (!created)
		return error_set(error, result, "netdev '%s': no memory", netdev);
	libbpf_set_print(NULL); /* it would log every filter that is not there yet */
	created->ifindex = (int)if_nametoindex(netdev);
	if (!created->ifindex) {
		result = error_set(error, -ENODEV, "netdev '%s' does not exist", netdev);
		goto fail;
	}
	created->skeleton = vnic__open();
	if (!created->skeleton) {
		result = error_set(
			error, -errno, "netdev '%s': BPF programs: %s", netdev, strerror(errno));
		goto fail;
	}
	take_over_maps(created);
	created->skeleton->bss->class_of_vnic = classid;
	result = vnic__load(created->skeleton);
	if (result == 0)
		result = attach_both(created);
	if (result < 0) {
		error_set(error, result,
			"netdev '%s': BPF programs: %s; this needs CAP_NET_ADMIN and CAP_BPF",
			netdev, strerror(-result));
		goto fail;
	}
	*programs = created;
	return 0;

fail:
	vnic_programs_close(created);
	return result;
}

void vnic_programs_close(struct vnic_programs *programs)
{
	vnic__destroy(programs->skeleton);
	free(programs);
}

void vnic_programs_detach(struct vnic_programs *programs)
{
	static const enum bpf_tc_attach_point points[] = {BPF_TC_EGRESS, BPF_TC_INGRESS};

	for (unsigned i = 0; i < sizeof points / sizeof *points; i++) {
		struct bpf_tc_hook hook = hook_of(programs->ifindex, points[i]);
		struct bpf_tc_opts options = place();

		(void)bpf_tc_detach(&hook, &options); /* the netdev may be gone, programs and all */
	}
	vnic_programs_close(programs);
}

/* ---- classes and counts ---- */

static struct bpf_map *classes(const struct vnic_programs *programs, enum vnic_direction direction)
{
	return direction == VNIC_SENDS ? programs->skeleton->maps.destinations
				       : programs->skeleton->maps.sources;
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

void vnic_programs_forget(struct vnic_programs *programs, const struct in6_addr *source)
{
	(void)bpf_map_delete_elem(bpf_map__fd(programs->skeleton->maps.received), source);
}

void vnic_programs_visit(const struct vnic_programs *programs,
	void (*visit)(
		void *context, const struct in6_addr *source, uint64_t bytes, uint64_t packets),
	void *context)
{
	int map_fd = bpf_map__fd(programs->skeleton->maps.received);
	struct in6_addr key, *previous = NULL;
	struct vnic_count count;

	while (bpf_map_get_next_key(map_fd, previous, &key) == 0) {
		if (bpf_map_lookup_elem(map_fd, &key, &count) == 0)
			visit(context, &key, count.bytes, count.packets);
		previous = &key;
	}
}
