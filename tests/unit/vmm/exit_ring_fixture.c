#include "exit_ring_fixture.h"

#include <string.h>

#include "../cmocka_all.h"
#include "vmm/layout.h"

#define PORTS 0x100u
#define REGISTERS 0xc0000000ull
#define LINE_STATUS (LAYOUT_PORT_SERIAL + 5)

struct fixture fixture;

/* ---- the machine; these take the place of vmm/exits/registers.c and vmm/vm_memory.c ---- */

static uint8_t *register_at(enum register_space space, uint64_t address, unsigned size_bytes)
{
	const uint64_t base = space == REGISTER_PORT ? PORTS : REGISTERS;

	if (address < base || address + size_bytes > base + FIXTURE_REGISTERS)
		return NULL;
	return (space == REGISTER_PORT ? fixture.ports : fixture.registers) + (address - base);
}

void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes)
{
	const uint8_t *from = register_at(space, address, size_bytes);

	fixture.accesses++;
	memset(data, 0xff, size_bytes);
	if (from)
		memcpy(data, from, size_bytes);
	if (space == REGISTER_PORT && address == LINE_STATUS)
		*(uint8_t *)data = fixture.console_room ? 0x60 : 0;
}

void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes)
{
	uint8_t *to = register_at(space, address, size_bytes);

	fixture.accesses++;
	if (to)
		memcpy(to, data, size_bytes);
	if (space == REGISTER_PORT && address == LAYOUT_PORT_SERIAL && fixture.console_room) {
		fixture.console[fixture.console_bytes++] = *(const uint8_t *)data;
		fixture.console_room--;
	}
}

void *vm_memory_at(const struct vm_memory *memory, uint64_t guest_address, uint64_t size_bytes)
{
	const uint64_t offset = guest_address - FIXTURE_MEMORY_ADDRESS;

	if (offset > FIXTURE_MEMORY_BYTES || size_bytes > FIXTURE_MEMORY_BYTES - offset)
		return NULL;
	return fixture.memory + offset;
}

static int set_interrupt(void *context, uint64_t address, uint32_t data)
{
	fixture.message_address = address;
	fixture.message_data = data;
	return fixture.set_interrupt_result;
}

static void interrupt(void *context)
{
	fixture.interrupts++;
}

static void catch_up(void *context)
{
	fixture.accesses_when_caught_up = fixture.accesses;
	if (fixture.posts_when_caught_up) {
		const struct sluice_exit_request request = fixture_nothing(0, 0);

		fixture.posts_when_caught_up--;
		exit_ring_client_add(&fixture.client, &request);
		exit_ring_client_show(&fixture.client);
	}
	fixture.caught_up++;
}

static void ring_doorbell(uint32_t index)
{
	fixture.doorbells++;
}

/* ---- the fixture ---- */

int fixture_set_up(void **state)
{
	const struct exit_ring_config config = {
		.shared = &fixture.shared,
		.set_interrupt = set_interrupt,
		.interrupt = interrupt,
		.catch_up = catch_up,
	};

	memset(&fixture, 0, sizeof fixture);
	fixture.console_room = sizeof fixture.console;
	exit_ring_init(&fixture.server, &config);
	if (!exit_ring_client_open(&fixture.client, &fixture.shared, 3, ring_doorbell))
		return -1;
	fixture.doorbells = 0; /* it rings to begin with */
	return 0;
}

struct sluice_exit_request fixture_nothing(uint64_t cookie, uint16_t flags)
{
	return (struct sluice_exit_request){
		.operation = SLUICE_EXIT_NOTHING, .flags = flags, .cookie = cookie};
}

struct sluice_exit_completion fixture_call(struct sluice_exit_request request)
{
	struct sluice_exit_completion completion;

	assert_true(exit_ring_client_add(&fixture.client, &request));
	exit_ring_client_show(&fixture.client);
	assert_int_equal(exit_ring_poll(&fixture.server), 1);
	assert_true(exit_ring_client_take(&fixture.client, &completion));
	return completion;
}
