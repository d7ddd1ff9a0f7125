/*
 * A guest that reads and writes anything on its PCI bus, in any order: configuration space, base address registers,
 * virtio's registers, the MSI-X table. Two devices, whose back ends are the fuzzer: it begins and ends service,
 * changes configuration space, and fails, as a device's thread would. A third one has memory behind its second base address register.
 *
 * Whatever it is, a ring that is to be served is within the guest's memory, what KVM listens to is what is
 * mapped, memory is where nobody's registers are, and a device that is reset is as it was.
 */
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "script.h"
#include "vmm/kvm_events.h"
#include "vmm/layout.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/virtio_pci.h"

#define DEVICES 2u
#define QUEUES 3u
#define MEMORY_BYTES (4u << 20)
#define SHARED_BYTES (64u << 10)
#define ACTIONS_MAX 300u

static struct registers *registers;
static struct interrupts *interrupts;
static struct pci_bus *bus;
static struct virtio_pci transports[DEVICES];
static bool is_served[DEVICES];
static struct vm_memory memory;
static struct pci_function shared; /* memory */
static uint64_t shared_at[PCI_FUNCTION_BARS];
static unsigned doorbells; /* that KVM listens to */
static unsigned sent;	   /* interrupts that it does */

/* ---- KVM, as far as it counts ---- */

int kvm_events_set_routes(int vm_fd, const struct kvm_irq_routing *routes)
{
	for (unsigned i = 0; i < routes->nr; i++)
		if (routes->entries[i].type == KVM_IRQ_ROUTING_MSI &&
			routes->entries[i].u.msi.address_hi)
			abort();
	return 0;
}

int kvm_events_set_interrupt(int vm_fd, int event_fd, uint32_t gsi, bool is_assigned)
{
	sent += is_assigned ? 1u : -1u;
	return 0;
}

int kvm_events_set_doorbell(int vm_fd, int event_fd, uint64_t guest_address, bool is_assigned)
{
	if (guest_address < LAYOUT_PCI_MEMORY_START || guest_address >= LAYOUT_PCI_MEMORY_END)
		abort();
	doorbells += is_assigned ? 1u : -1u;
	return 0;
}

/* ---- memory on the bus ---- */

static void shared_mapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	if (shared_at[bar])
		abort();
	shared_at[bar] = address;
}

static void shared_unmapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	if (!shared_at[bar] || shared_at[bar] != address)
		abort();
	shared_at[bar] = 0;
}

static const struct pci_function_operations shared_operations = {
	.mapped = shared_mapped, .unmapped = shared_unmapped};

static void create_shared(void)
{
	const struct pci_identity identity = {.vendor = 0x1af4, .device = 0x1110};
	const struct register_range own = {.kind = REGISTER_IVSHMEM, .size_bytes = 256};
	const struct register_range whole = {
		.kind = REGISTER_IVSHMEM_MEMORY, .size_bytes = SHARED_BYTES};
	struct error error;

	memset(shared_at, 0, sizeof shared_at);
	pci_function_init(&shared, &identity, &shared_operations, NULL);
	pci_function_add_bar(&shared, PCI_BAR_0, 4096);
	pci_function_add_bar(&shared, PCI_BAR_2, SHARED_BYTES);
	pci_function_add_range(&shared, PCI_BAR_0, &own, 0);
	pci_function_add_range(&shared, PCI_BAR_2, &whole, 0);
	if (pci_bus_add(bus, &shared, &error) < 0)
		abort();
}

static void check_shared(void)
{
	const uint64_t start = shared_at[PCI_BAR_2], end = start + SHARED_BYTES;

	for (unsigned i = 0; i < DEVICES && start; i++) {
		const struct pci_bar *bar = &transports[i].function.bars[PCI_BAR_0];

		if (bar->is_mapped && bar->address + VIRTIO_PCI_COMMON_AT < end &&
			start < bar->address + VIRTIO_PCI_COMMON_AT + 1)
			abort();
	}
	if (start && (start < LAYOUT_PCI_MEMORY_START || end > LAYOUT_PCI_MEMORY_END))
		abort();
}

/* In place of base/log.c: lines are put together, and nobody reads them. */
void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
}

/* ---- the guest ---- */

static void port_access(struct script *script, uint64_t port, uint64_t value, unsigned size_bytes)
{
	if (next_u8(script) % 4)
		registers_write(registers, REGISTER_PORT, port, &value, size_bytes);
	else
		registers_read(registers, REGISTER_PORT, port, &value, size_bytes);
}

static unsigned next_size(struct script *script)
{
	return 1u << next_choice(script, 4);
}

static void access_config(struct script *script)
{
	const uint32_t slot = next_choice(script, DEVICES + 3);
	const uint32_t offset = next_u8(script);
	const uint32_t address = 0x80000000u | slot << 11 | (offset & 0xfc);

	registers_write(registers, REGISTER_PORT, LAYOUT_PORT_PCI_ADDRESS, &address, 4);
	port_access(
		script, LAYOUT_PORT_PCI_DATA + (offset & 3), next_u64(script), next_size(script));
}

static void access_ports(struct script *script)
{
	port_access(script, LAYOUT_PORT_PCI_ADDRESS + next_choice(script, 8), next_u64(script),
		next_size(script));
}

static void write_config(unsigned slot, unsigned offset, uint32_t value)
{
	const uint32_t address = 0x80000000u | slot << 11 | offset;

	registers_write(registers, REGISTER_PORT, LAYOUT_PORT_PCI_ADDRESS, &address, 4);
	registers_write(registers, REGISTER_PORT, LAYOUT_PORT_PCI_DATA, &value, 4);
}

static void turn_on(struct script *script)
{
	write_config(1 + next_choice(script, DEVICES + 1), PCI_COMMAND, PCI_COMMAND_MEMORY);
}

static void move(struct script *script)
{
	const uint32_t places[] = {LAYOUT_PCI_MEMORY_START, LAYOUT_PCI_MEMORY_START + 0x8000,
		LAYOUT_PCI_MEMORY_START + 0x10000, LAYOUT_PCI_MEMORY_END - 0x8000,
		LAYOUT_PCI_MEMORY_END, 0, UINT32_MAX};

	write_config(1 + next_choice(script, DEVICES + 1),
		next_u8(script) % 4 ? PCI_BASE_ADDRESS_0 : PCI_BASE_ADDRESS_2,
		places[next_choice(script, sizeof places / sizeof *places)]);
}

/* Through the registers as they are mapped, or past the map, so that moves do not end everything. */
static void access_register(
	struct script *script, uint32_t offset, uint64_t value, unsigned size_bytes)
{
	const struct virtio_pci *transport = &transports[next_choice(script, DEVICES)];
	const uint64_t address = transport->function.bars[PCI_BAR_0].address + offset;

	if (next_u8(script) % 4)
		registers_write(registers, REGISTER_MEMORY, address, &value, size_bytes);
	else
		registers_read(registers, REGISTER_MEMORY, address, &value, size_bytes);
}

static void access_anything(struct script *script)
{
	access_register(script, next_u16(script) % VIRTIO_PCI_BAR_BYTES, next_u64(script),
		next_size(script));
}

static void access_common(struct script *script)
{
	static const uint8_t sizes[64] = {[0] = 4,
		[4] = 4,
		[8] = 4,
		[12] = 4,
		[16] = 2,
		[18] = 2,
		[20] = 1,
		[21] = 1,
		[22] = 2,
		[24] = 2,
		[26] = 2,
		[28] = 2,
		[30] = 2,
		[32] = 8,
		[40] = 8,
		[48] = 8};
	const unsigned offset = next_choice(script, 64);
	const uint64_t value =
		next_u8(script) % 4 ? next_u8(script) : (uint64_t)next_u16(script) << 6;

	access_register(script, VIRTIO_PCI_COMMON_AT + offset, value,
		sizes[offset] ? sizes[offset] : next_size(script));
}

static void access_table(struct script *script)
{
	const uint64_t value =
		next_u8(script) % 2 ? LAYOUT_LOCAL_APIC | next_u16(script) : next_u64(script);

	access_register(
		script, VIRTIO_PCI_TABLE_AT + next_u8(script) % 80, value, next_size(script));
}

static void set_up_as_it_should_be(struct script *script)
{
	struct virtio_pci *transport = &transports[next_choice(script, DEVICES)];
	const unsigned queue = next_choice(script, QUEUES);

	virtio_pci_write_common(transport, 20, 3, 1);
	virtio_pci_write_common(transport, 8, 1, 4);
	virtio_pci_write_common(transport, 12, 1 | next_choice(script, 8), 4);
	virtio_pci_write_common(transport, 20, 11, 1);
	virtio_pci_write_common(transport, 22, queue, 2);
	virtio_pci_write_common(transport, 24, 1u << next_choice(script, 9), 2);
	virtio_pci_write_common(transport, 26, next_choice(script, 5), 2);
	virtio_pci_write_common(transport, 32, (uint64_t)next_u16(script) << 7, 8);
	virtio_pci_write_common(transport, 40, (uint64_t)next_u16(script) << 7, 8);
	virtio_pci_write_common(transport, 48, (uint64_t)next_u16(script) << 7, 8);
	virtio_pci_write_common(transport, 28, 1, 2);
	virtio_pci_write_common(transport, 20, 15, 1);
}

/* ---- the device's thread ---- */

static void check_part(const void *start, uint64_t bytes)
{
	const uint64_t offset = (uint64_t)((const uint8_t *)start - memory.host);

	if (!start || offset > MEMORY_BYTES || bytes > MEMORY_BYTES - offset)
		abort();
}

static void check_ring(const struct virtio_pci_ring *ring, bool is_packed)
{
	if (ring->size == 0 || (!is_packed && ring->size & (ring->size - 1)))
		abort();
	check_part(ring->descriptors, 16ull * ring->size);
	check_part(ring->driver, is_packed ? 4 : 6 + 2ull * ring->size);
	check_part(ring->device, is_packed ? 4 : 6 + 8ull * ring->size);
	virtio_pci_ring(ring->kick_fd);
	if (ring->call_fd >= 0)
		virtio_pci_ring(ring->call_fd);
}

static void begin_service(struct script *script)
{
	const unsigned index = next_choice(script, DEVICES);
	struct virtio_pci_service service;

	if (!virtio_pci_begin_service(&transports[index], &service))
		return;
	is_served[index] = true;
	if (service.features & ~transports[index].config.features)
		abort();
	for (unsigned i = 0; i < QUEUES; i++)
		if (service.rings[i].is_enabled)
			check_ring(&service.rings[i], service.features >> VIRTIO_F_RING_PACKED & 1);
}

static void end_service(struct script *script)
{
	const unsigned index = next_choice(script, DEVICES);

	is_served[index] = false;
	virtio_pci_end_service(&transports[index]);
	if (virtio_pci_state(&transports[index]) == VIRTIO_PCI_RESETTING)
		abort();
}

static void fail(struct script *script)
{
	virtio_pci_fail(&transports[next_choice(script, DEVICES)], "the fuzzer says so");
}

static void change_config(struct script *script)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {next_u8(script)};

	virtio_pci_set_device_config(&transports[next_choice(script, DEVICES)], config);
}

static void (*const actions[])(struct script *script) = {
	access_config,
	access_ports,
	turn_on,
	move,
	access_anything,
	access_common,
	access_common,
	access_common,
	access_table,
	access_table,
	set_up_as_it_should_be,
	begin_service,
	end_service,
	fail,
	change_config,
};

/* ---- one run ---- */

static void create_memory(void)
{
	const struct vm_memory_config config = {
		.size_bytes = MEMORY_BYTES, .huge_pages = HUGE_PAGES_NEVER};
	struct error error;

	if (vm_memory_create(&memory, &config, &error) < 0)
		abort();
}

static void create_machine(int wake_fd)
{
	struct error error;
	struct virtio_pci_config config = {.name = "fuzz",
		.type = VIRTIO_ID_BLOCK,
		.features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED | 7,
		.queue_count = QUEUES,
		.queue_size_max = 256,
		.config_bytes = 60,
		.wake_fd = wake_fd,
		.vm_fd = -1,
		.memory = &memory};

	doorbells = sent = 0;
	registers = registers_create();
	if (!registers || interrupts_create(-1, &interrupts, &error) < 0 ||
		pci_bus_create(registers, &bus, &error) < 0)
		abort();
	config.interrupts = interrupts;
	for (unsigned i = 0; i < DEVICES; i++) {
		is_served[i] = false;
		if (virtio_pci_init(&transports[i], &config, &error) < 0 ||
			pci_bus_add(bus, &transports[i].function, &error) < 0)
			abort();
	}
	create_shared();
}

static void check(void)
{
	unsigned mapped = 0;

	for (unsigned i = 0; i < DEVICES; i++) {
		mapped += transports[i].function.bars[PCI_BAR_0].is_mapped;
		if (transports[i].state == VIRTIO_PCI_RESETTING && !is_served[i])
			abort();
	}
	if (doorbells != mapped * QUEUES)
		abort();
	check_shared();
}

static void destroy_machine(void)
{
	pci_bus_remove(bus, &shared);
	for (unsigned i = 0; i < DEVICES; i++) {
		pci_bus_remove(bus, &transports[i].function);
		virtio_pci_release(&transports[i]);
	}
	if (doorbells || sent)
		abort();
	pci_bus_destroy(bus);
	interrupts_destroy(interrupts);
	registers_destroy(registers);
}

/* The lowest free descriptor: one that leaks moves it up. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int wake_fd = -1;
	struct script script = {data, size};
	int free_before;

	if (wake_fd < 0) {
		wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		create_memory();
	}
	free_before = lowest_free_fd();
	create_machine(wake_fd);
	for (unsigned i = 0; i < ACTIONS_MAX && script.left; i++) {
		actions[next_choice(&script, sizeof actions / sizeof *actions)](&script);
		check();
	}
	destroy_machine();
	if (lowest_free_fd() != free_before)
		abort();
	return 0;
}
