/*
 * Exits and coalesced writes that KVM would not make: any bytes as a vCPU's struct kvm_run and as the ring, handled
 * by the table and the registers of two devices.
 *
 * Whatever they are, devices see accesses that are theirs, and nothing outside of the mapping is touched.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "script.h"
#include "vmm/exits/coalesced_ring.h"
#include "vmm/exits/exit_handlers.h"

#define RUN_BYTES \
	4096u /* struct kvm_run, and one element of data; on the heap, so that more is seen */
#define RING_BYTES 256u

static struct register_range port, memory;

/* In place of base/log.c: there is a line for each machine that ends, and here are many. */
void log_line(enum log_level level, const char *format, ...)
{
}

static void check_access(const void *device, uint64_t offset, unsigned size_bytes)
{
	const struct register_range *range = device;

	if (size_bytes != 1 && size_bytes != 2 && size_bytes != 4 && size_bytes != 8)
		abort();
	if (offset >= range->size_bytes || size_bytes > range->size_bytes - offset)
		abort();
}

static uint64_t read_any(void *device, uint64_t offset, unsigned size_bytes)
{
	check_access(device, offset, size_bytes);
	return offset;
}

static void write_any(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	check_access(device, offset, size_bytes);
}

static void add(struct registers *registers, struct register_range *range, enum register_kind kind,
	uint64_t base, uint64_t size_bytes)
{
	*range = (struct register_range){.kind = kind,
		.base = base,
		.size_bytes = size_bytes,
		.read = read_any,
		.write = write_any,
		.device = range};
	if (registers_add(registers, range) < 0)
		abort();
}

static void fill(struct script *script, void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((uint8_t *)bytes)[i] = next_u8(script);
}

static void handle_exit(struct script *script, struct registers *registers)
{
	struct exit_context context = {.machine_name = "fuzz",
		.run = calloc(1, RUN_BYTES),
		.run_bytes = RUN_BYTES,
		.registers = registers};

	context.run->exit_reason = next_u8(script);
	/* What the union of reasons has; the rest is not looked at. */
	fill(script, context.run->padding, 64);
	if (context.run->exit_reason == KVM_EXIT_IO && next_choice(script, 2))
		context.run->io.data_offset %= 2 * RUN_BYTES;
	if (context.run->exit_reason == KVM_EXIT_IO && next_choice(script, 2))
		context.run->io.count %= RUN_BYTES;
	exit_reasons[exit_reason_index(context.run->exit_reason)].handle(&context);
	free(context.run);
}

static void drain(struct script *script, struct registers *registers)
{
	struct kvm_coalesced_mmio_ring *shared = calloc(1, RING_BYTES);
	struct coalesced_ring ring;

	coalesced_ring_init(&ring, shared, RING_BYTES);
	fill(script, shared, RING_BYTES);
	for (unsigned i = 0; i < 4; i++) {
		shared->last =
			next_choice(script, 2) ? next_u8(script) % 12 : (uint32_t)next_u64(script);
		if (coalesced_ring_drain(&ring, registers) >= ring.entry_count)
			abort();
		if (ring.first >= ring.entry_count)
			abort();
	}
	free(shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	struct registers *registers = registers_create();

	if (!registers)
		abort();
	add(registers, &port, REGISTER_SERIAL, next_u8(&script), 8);
	add(registers, &memory, REGISTER_MSIX_TABLE, next_u8(&script), 1 + next_u8(&script));
	for (unsigned i = 0; i < 4; i++)
		handle_exit(&script, registers);
	drain(&script, registers);
	registers_destroy(registers);
	return 0;
}
