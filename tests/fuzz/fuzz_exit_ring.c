/*
 * An exit ring whose guest does anything: what it should, by way of the client, and what it likes, by writing
 * into the ring. A script chooses.
 *
 * Whatever that is, a poll is bounded, the server's own indices stay within the ring of each other, an access
 * has a size that an instruction can have, and guest memory is only read where it is.
 */
#include <stdlib.h>
#include <string.h>

#include "exit-ring/exit_ring_client.h"
#include "script.h"
#include "vmm/exits/exit_ring.h"

#define MEMORY_BYTES 300u

static struct sluice_exit_ring shared;
static struct exit_ring server;
static struct exit_ring_client client;
static uint8_t *guest_memory; /* on the heap, so that a read beyond it is seen */

/* ---- the machine ---- */

static void check_access(enum register_space space, uint64_t address, unsigned size_bytes)
{
	const bool is_size = size_bytes == 1 || size_bytes == 2 || size_bytes == 4 ||
			     (size_bytes == 8 && space == REGISTER_MEMORY);

	if (!is_size || address + size_bytes - 1 < address)
		abort();
	if (space == REGISTER_PORT && address + size_bytes > 0x10000)
		abort();
}

void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes)
{
	check_access(space, address, size_bytes);
	memset(data, 0xff, size_bytes);
}

void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes)
{
	check_access(space, address, size_bytes);
}

void *vm_memory_at(const struct vm_memory *memory, uint64_t guest_address, uint64_t size_bytes)
{
	if (guest_address > MEMORY_BYTES || size_bytes > MEMORY_BYTES - guest_address)
		return NULL;
	return guest_memory + guest_address;
}

static int set_interrupt(void *context, uint64_t address, uint32_t data)
{
	return data & 1 ? -1 : 0;
}

static void interrupt(void *context)
{
	if (!server.has_interrupt)
		abort();
}

static void ring_doorbell(uint32_t index)
{
}

/* ---- what a script can do ---- */

static struct sluice_exit_request next_request(struct script *script)
{
	struct sluice_exit_request request = {
		.operation = next_u8(script) % (SLUICE_EXIT_OPERATION_COUNT + 1),
		.flags = next_u8(script) % 4 % 3,
		.size_bytes = next_u16(script) % 280,
		.address = next_u16(script) % 400,
		.value = next_u16(script),
	};

	if (next_u8(script) % 8 == 0)
		request.address = next_u64(script);
	return request;
}

static void add(struct script *script)
{
	const struct sluice_exit_request request = next_request(script);

	exit_ring_client_add(&client, &request);
}

static void show(struct script *script)
{
	exit_ring_client_show(&client);
}

static void take(struct script *script)
{
	struct sluice_exit_completion completion;

	for (unsigned i = next_u8(script); i > 0; i--)
		if (!exit_ring_client_take(&client, &completion))
			return;
}

static void want_interrupt(struct script *script)
{
	exit_ring_client_want_interrupt(&client);
}

static void poll_ring(struct script *script)
{
	const bool was_stopped = server.state != SLUICE_EXIT_RING_SERVED;
	const unsigned count = exit_ring_poll(&server);

	if (count > EXIT_RING_POLL_COST_MAX || (was_stopped && count))
		abort();
	if (server.completion_shown != server.completion_tail && !was_stopped &&
		server.state == SLUICE_EXIT_RING_SERVED)
		abort();
}

static void sleep_and_wake(struct script *script)
{
	exit_ring_arm(&server);
	exit_ring_disarm(&server);
}

static void scribble(struct script *script)
{
	const size_t where = next_u16(script) % sizeof shared;

	((uint8_t *)&shared)[where] = next_u8(script);
}

static void scribble_index(struct script *script)
{
	uint32_t *const indices[] = {&shared.guest.request_tail, &shared.guest.completion_head,
		&shared.guest.completion_event};

	*indices[next_choice(script, 3)] += next_u8(script);
}

static void fill_with_noise(struct script *script)
{
	for (unsigned i = 0; i < SLUICE_EXIT_RING_ENTRIES; i++)
		shared.requests[i] = next_request(script);
}

static void catch_up(void *context)
{
}

static void (*const steps[])(struct script *script) = {
	add,
	add,
	show,
	poll_ring,
	poll_ring,
	take,
	want_interrupt,
	sleep_and_wake,
	scribble,
	scribble_index,
	fill_with_noise,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct exit_ring_config config = {.shared = &shared,
		.set_interrupt = set_interrupt,
		.interrupt = interrupt,
		.catch_up = catch_up};
	struct script script = {data, size};

	memset(&shared, 0, sizeof shared);
	guest_memory = calloc(1, MEMORY_BYTES);
	exit_ring_init(&server, &config);
	exit_ring_client_open(&client, &shared, 0, ring_doorbell);
	while (script.left)
		steps[next_choice(&script, sizeof steps / sizeof *steps)](&script);
	free(guest_memory);
	return 0;
}
