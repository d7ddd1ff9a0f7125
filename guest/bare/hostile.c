/*
 * job_hostile: random accesses. What would end the guest itself is left out (turning the machine off, resetting
 * it, interrupts other than by a vector): what is to be seen is whether anybody else minds.
 */
#include "cpu.h"
#include "interrupts.h"
#include "jobs.h"
#include "machine.h"
#include "print.h"
#include "ring.h"

#define OTHER_VCPU 1u

struct random {
	uint64_t state;
};

static volatile uint64_t other_seed, other_count;
static volatile bool has_other_finished;

static uint64_t next(struct random *random)
{
	random->state ^= random->state << 13;
	random->state ^= random->state >> 7;
	random->state ^= random->state << 17;
	return random->state;
}

/* ---- ports ---- */

static bool is_fatal(uint16_t port)
{
	const bool is_power = port + 3u >= PORT_POWER && port < PORT_POWER + PORT_POWER_COUNT;
	const bool is_keyboard = port + 3u >= PORT_KEYBOARD && port <= PORT_KEYBOARD;

	return is_power || is_keyboard;
}

/* Half of them where devices are. */
static uint16_t random_port(struct random *random)
{
	static const uint16_t bases[] = {PORT_SERIAL + 1, PORT_PCI_ADDRESS,
		SLUICE_EXIT_RING_PORT_DOORBELL, PORT_POWER + PORT_POWER_COUNT};
	const uint64_t choice = next(random) >> 8;

	if (choice & 1)
		return (uint16_t)(bases[choice / 2 % (sizeof bases / sizeof *bases)] +
				  choice / 16 % 7);
	return (uint16_t)(0x100 + choice / 2 % 0xff00);
}

static void write_port(struct random *random)
{
	const uint16_t port = random_port(random);
	const uint64_t value = next(random) >> 8;

	if (is_fatal(port) || port == PORT_SERIAL)
		return;
	switch (value % 3) {
	case 0:
		port_write8(port, (uint8_t)(value >> 8));
		break;
	case 1:
		port_write16(port, (uint16_t)(value >> 8));
		break;
	default:
		port_write32(port, (uint32_t)(value >> 8));
	}
}

static void read_port(struct random *random)
{
	const uint16_t port = random_port(random);

	port_read8(port);
	port_read16(port);
	port_read32(port);
}

static void write_pci(struct random *random)
{
	const uint64_t where = next(random) >> 8;

	/* Bus 0: a function in 32, a register in 64. */
	port_write32(PORT_PCI_ADDRESS, 0x80000000 | (uint32_t)(where & 0xfffc));
	port_write32(PORT_PCI_DATA, (uint32_t)(next(random) >> 8));
	port_read32(PORT_PCI_DATA);
}

/* ---- memory ---- */

static void touch_memory(struct random *random)
{
	const uint64_t choice = next(random) >> 4;
	const uint64_t window = PCI_MEMORY_END - PCI_MEMORY_START;
	/* Often near the start, where registers are usually put first. */
	const uint64_t offset = choice % (choice & 1 << 20 ? window - 8 : 0x10000);
	volatile uint64_t *at = (volatile uint64_t *)(uintptr_t)(PCI_MEMORY_START + offset);

	switch (choice >> 40 & 3) {
	case 0:
		*at = choice;
		break;
	case 1:
		*(volatile uint32_t *)at = (uint32_t)choice;
		break;
	case 2:
		*(volatile uint8_t *)at = (uint8_t)choice;
		break;
	default:
		(void)*at;
	}
}

/* ---- exit rings ---- */

static void write_ring(struct random *random)
{
	const unsigned count = ring_count();
	const uint64_t choice = next(random) >> 8;
	struct sluice_exit_ring *ring;
	struct sluice_exit_request request = {
		.operation = (uint16_t)(choice % (SLUICE_EXIT_OPERATION_COUNT + 1)),
		.flags = (uint16_t)(choice >> 8) % 3,
		.size_bytes = (uint32_t)(choice >> 16) % 17,
		.cookie = choice,
		.address = choice >> 24 & 1 ? random_port(random) : next(random),
		.value = next(random),
	};

	if (!count)
		return;
	if (request.operation == SLUICE_EXIT_PORT_WRITE && is_fatal((uint16_t)request.address))
		return;
	if (request.operation == SLUICE_EXIT_SET_INTERRUPT) {
		request.address = 0xfee00000 | (request.address & 0xff000);
		request.value = VECTOR_COMPLETION;
	}
	ring = ring_at((unsigned)(choice >> 32) % count);
	ring->requests[ring->guest.request_tail % SLUICE_EXIT_RING_ENTRIES] = request;
	__atomic_store_n(&ring->guest.request_tail, ring->guest.request_tail + 1, __ATOMIC_RELEASE);
	if (choice >> 40 & 1)
		ring->guest.completion_head = ring->server.completion_tail;
	if (choice >> 41 & 1)
		ring->guest.completion_event =
			choice >> 42 & 1 ? (uint32_t)choice : ring->server.completion_tail;
	/* Seldom, since a ring is not served after it. */
	if ((choice >> 44 & 0x1ff) == 0)
		ring->guest.request_tail = (uint32_t)choice;
}

/* A server that is asleep does not see what is in its ring. */
static void wake_server(struct random *random)
{
	port_write32(SLUICE_EXIT_RING_PORT_DOORBELL, (uint32_t)(next(random) >> 8) % 4);
}

static void (*const acts[])(struct random *random) = {
	write_port,
	read_port,
	write_pci,
	touch_memory,
	write_ring,
	write_ring,
	wake_server,
};

static void act(uint64_t seed, uint64_t count)
{
	struct random random = {seed * 2 + 1};

	for (uint64_t i = 0; i < count; i++)
		acts[(next(&random) >> 16) % (sizeof acts / sizeof *acts)](&random);
}

void hostile_other(void)
{
	act(other_seed, other_count);
	has_other_finished = true;
}

/* Rings tell how many vCPUs there are. */
void job_hostile(const uint64_t arguments[JOB_ARGUMENTS_MAX])
{
	const bool has_other = ring_count() > OTHER_VCPU;

	other_seed = arguments[0] + 1000000007;
	other_count = arguments[1];
	if (has_other)
		start_vcpu(OTHER_VCPU);
	act(arguments[0], arguments[1]);
	while (has_other && !has_other_finished)
		cpu_pause();
	print_set_up();
	print("\nsurvived\n");
}
