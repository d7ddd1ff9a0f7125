#include "vmm/exits/coalescing.h"

#include <sys/ioctl.h>

#include "base/counter.h"

void coalescing_init(struct coalescing *coalescing, int vm_fd, bool has_ports,
	struct registers *registers, void *page, uint32_t page_bytes)
{
	*coalescing =
		(struct coalescing){.vm_fd = vm_fd, .has_ports = has_ports, .registers = registers};
	if (page)
		coalesced_ring_init(&coalescing->ring, page, page_bytes);
}

/* Writes that came as exits, and need not have. */
static uint64_t exits_to_coalesce(const struct registers *registers)
{
	uint64_t exits = 0;

	for (unsigned kind = 0; kind < REGISTER_KIND_COUNT; kind++)
		if (register_kinds[kind].write_path == EXIT_BY_COALESCING)
			exits += registers_counts(registers, kind)->writes[EXIT_BY_POST];
	return exits;
}

static void register_zone(const struct register_range *range, void *argument)
{
	struct coalescing *coalescing = argument;
	const struct register_kind_row *row = &register_kinds[range->kind];
	struct kvm_coalesced_mmio_zone zone = {
		.addr = range->base,
		.size = (uint32_t)range->size_bytes,
		.pio = row->space == REGISTER_PORT,
	};

	if (row->write_path != EXIT_BY_COALESCING || coalescing->zone_count == COALESCING_ZONES_MAX)
		return;
	/* Without it, each write is an exit: slower, and right. */
	if (ioctl(coalescing->vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone) == 0)
		coalescing->zones[coalescing->zone_count++] = zone;
}

static void start(struct coalescing *coalescing)
{
	registers_each(coalescing->registers, REGISTER_MEMORY, register_zone, coalescing);
	if (coalescing->has_ports)
		registers_each(coalescing->registers, REGISTER_PORT, register_zone, coalescing);
	counter_add(&coalescing->switched_on, coalescing->zone_count > 0);
}

void coalescing_consider(struct coalescing *coalescing)
{
	uint64_t exits;

	if (!coalescing->ring.shared || coalescing->zone_count > 0)
		return;
	exits = exits_to_coalesce(coalescing->registers);
	if (exits - coalescing->exits_before < COALESCING_EARNED_BY)
		return;
	coalescing->exits_before = exits;
	start(coalescing);
}

void coalescing_stop(struct coalescing *coalescing)
{
	for (unsigned i = 0; i < coalescing->zone_count; i++)
		ioctl(coalescing->vm_fd, KVM_UNREGISTER_COALESCED_MMIO, &coalescing->zones[i]);
	coalescing->zone_count = 0;
	coalescing->exits_before = exits_to_coalesce(coalescing->registers);
}

unsigned coalescing_drain(struct coalescing *coalescing)
{
	if (!coalescing->ring.shared)
		return 0;
	return coalesced_ring_drain(&coalescing->ring, coalescing->registers);
}

bool coalescing_is_empty(const struct coalescing *coalescing)
{
	return !coalescing->ring.shared || coalesced_ring_is_empty(&coalescing->ring);
}
