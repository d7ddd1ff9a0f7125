#include "vmm/exits/exit_ring.h"

#include <string.h>

#include "base/counter.h"
#include "vmm/layout.h"

#define ENTRIES SLUICE_EXIT_RING_ENTRIES
#define SHOWN_AT_ONCE 8u /* completions: the guest goes on with them while others are worked on */

_Static_assert(SLUICE_EXIT_RING_PORT_DOORBELL == LAYOUT_PORT_EXIT_DOORBELL, "the guest's header");
_Static_assert(VCPUS_MAX <= LAYOUT_EXIT_RINGS_BYTES_MAX / SLUICE_EXIT_RING_STRIDE_BYTES, "fits");

/* Shared fields are read and written whole, once, and never by the compiler's invention. */
#define shared_read(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define shared_read_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define shared_write(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define shared_write_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/* ---- operations ---- */

static enum sluice_exit_status do_nothing(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	return SLUICE_EXIT_DONE;
}

/* The sizes that an instruction can access: a bit for each. */
#define PORT_SIZES (1u << 1 | 1u << 2 | 1u << 4)
#define MEMORY_SIZES (PORT_SIZES | 1u << 8)

static enum sluice_exit_status check_access(
	const struct sluice_exit_request *request, uint32_t sizes, uint64_t address_max)
{
	if (request->size_bytes > 8 || !(sizes & 1u << request->size_bytes))
		return SLUICE_EXIT_BAD_SIZE;
	if (request->address > address_max - (request->size_bytes - 1))
		return SLUICE_EXIT_BAD_ADDRESS;
	return SLUICE_EXIT_DONE;
}

static enum sluice_exit_status check_port(const struct sluice_exit_request *request)
{
	return check_access(request, PORT_SIZES, UINT16_MAX);
}

static enum sluice_exit_status check_memory(const struct sluice_exit_request *request)
{
	return check_access(request, MEMORY_SIZES, UINT64_MAX);
}

static enum sluice_exit_status read_port(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	const enum sluice_exit_status status = check_port(request);

	if (status == SLUICE_EXIT_DONE)
		registers_read(ring->config.registers, REGISTER_PORT, request->address, value,
			request->size_bytes);
	return status;
}

static enum sluice_exit_status write_port(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	const enum sluice_exit_status status = check_port(request);

	if (status == SLUICE_EXIT_DONE)
		registers_write(ring->config.registers, REGISTER_PORT, request->address,
			&request->value, request->size_bytes);
	return status;
}

static enum sluice_exit_status read_memory(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	const enum sluice_exit_status status = check_memory(request);

	if (status == SLUICE_EXIT_DONE)
		registers_read(ring->config.registers, REGISTER_MEMORY, request->address, value,
			request->size_bytes);
	return status;
}

static enum sluice_exit_status write_memory(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	const enum sluice_exit_status status = check_memory(request);

	if (status == SLUICE_EXIT_DONE)
		registers_write(ring->config.registers, REGISTER_MEMORY, request->address,
			&request->value, request->size_bytes);
	return status;
}

/* Does the serial port take another byte? (16550A: line status, transmitter holding register empty.) */
static bool can_console_take_more(struct exit_ring *ring)
{
	uint8_t line_status;

	registers_read(ring->config.registers, REGISTER_PORT, LAYOUT_PORT_SERIAL + 5, &line_status,
		sizeof line_status);
	return line_status & 0x20;
}

static enum sluice_exit_status write_console(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	const uint8_t *from;

	if (request->size_bytes == 0 || request->size_bytes > SLUICE_EXIT_CONSOLE_BYTES_MAX)
		return SLUICE_EXIT_BAD_SIZE;
	from = vm_memory_at(ring->config.memory, request->address, request->size_bytes);
	if (!from)
		return SLUICE_EXIT_BAD_ADDRESS;
	for (; *value < request->size_bytes && can_console_take_more(ring); ++*value) {
		const uint8_t byte = shared_read(from[*value]);

		registers_write(ring->config.registers, REGISTER_PORT, LAYOUT_PORT_SERIAL, &byte,
			sizeof byte);
	}
	return SLUICE_EXIT_DONE;
}

static enum sluice_exit_status set_interrupt(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	if (request->value > UINT32_MAX)
		return SLUICE_EXIT_BAD_SIZE;
	ring->has_interrupt = false;
	if (ring->config.set_interrupt(
		    ring->config.context, request->address, (uint32_t)request->value) < 0)
		return SLUICE_EXIT_FAILED;
	ring->has_interrupt = request->address != 0;
	return SLUICE_EXIT_DONE;
}

struct operation_row {
	enum sluice_exit_status (*handle)(
		struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value);
	unsigned cost; /* of a poll's EXIT_RING_POLL_COST_MAX */
};

static const struct operation_row operations[SLUICE_EXIT_OPERATION_COUNT] = {
	[SLUICE_EXIT_NOTHING] = {do_nothing, 1},
	[SLUICE_EXIT_PORT_READ] = {read_port, 1},
	[SLUICE_EXIT_PORT_WRITE] = {write_port, 1},
	[SLUICE_EXIT_MEMORY_READ] = {read_memory, 1},
	[SLUICE_EXIT_MEMORY_WRITE] = {write_memory, 1},
	[SLUICE_EXIT_CONSOLE_WRITE] = {write_console, EXIT_RING_POLL_COST_MAX},
	[SLUICE_EXIT_SET_INTERRUPT] = {set_interrupt, EXIT_RING_POLL_COST_MAX}, /* system calls */
};

/* ---- the guest's side, read once ---- */

static void stop(struct exit_ring *ring, enum sluice_exit_ring_state state)
{
	__atomic_store_n(&ring->state, state, __ATOMIC_RELAXED); /* read by other threads */
	shared_write_release(ring->config.shared->server.state, (uint32_t)state);
}

static struct sluice_exit_request read_request(const struct exit_ring *ring)
{
	const uint64_t *from =
		(const uint64_t *)&ring->config.shared->requests[ring->request_head % ENTRIES];
	uint64_t words[sizeof(struct sluice_exit_request) / sizeof(uint64_t)];
	struct sluice_exit_request request;

	for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
		words[i] = shared_read(from[i]);
	memcpy(&request, words, sizeof request);
	return request;
}

/* How many requests wait; 0 as well if that cannot be, and then the ring is stopped. */
static uint32_t requests_waiting(struct exit_ring *ring)
{
	const uint32_t waiting =
		shared_read_acquire(ring->config.shared->guest.request_tail) - ring->request_head;

	if (waiting <= ENTRIES)
		return waiting;
	stop(ring, SLUICE_EXIT_RING_BAD_REQUEST_INDEX);
	return 0;
}

/* The guest's index is only read when what it was last says that there is no room. */
static bool has_room_for_completion(struct exit_ring *ring)
{
	if (ring->completion_tail - ring->completion_head < ENTRIES)
		return true;
	ring->completion_head = shared_read_acquire(ring->config.shared->guest.completion_head);
	if (ring->completion_tail - ring->completion_head < ENTRIES)
		return true;
	stop(ring, ring->completion_tail - ring->completion_head == ENTRIES
			   ? SLUICE_EXIT_RING_NO_COMPLETION_LEFT
			   : SLUICE_EXIT_RING_BAD_COMPLETION_INDEX);
	return false;
}

/* ---- completions ---- */

static void show_completions(struct exit_ring *ring)
{
	ring->completion_shown = ring->completion_tail;
	shared_write_release(ring->config.shared->server.completion_tail, ring->completion_tail);
}

static void complete(
	struct exit_ring *ring, uint64_t cookie, enum sluice_exit_status status, uint64_t value)
{
	struct sluice_exit_completion *completion =
		&ring->config.shared->completions[ring->completion_tail % ENTRIES];

	shared_write(completion->cookie, cookie);
	shared_write(completion->value, value);
	shared_write(completion->status, (uint32_t)status);
	ring->completion_tail++;
	if (ring->completion_tail - ring->completion_shown >= SHOWN_AT_ONCE)
		show_completions(ring);
}

static void interrupt_if_due(struct exit_ring *ring, uint32_t shown_before)
{
	uint32_t event;

	if (!ring->has_interrupt || ring->completion_shown == shown_before)
		return;
	/* Either the guest, about to sleep, sees the index, or it is seen here that it wants a call. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = shared_read(ring->config.shared->guest.completion_event);
	if (!sluice_exit_ring_is_due(event, ring->completion_shown, shown_before))
		return;
	counter_add(&ring->counters.interrupts, 1);
	ring->config.interrupt(ring->config.context);
}

/* ---- a request ---- */

static enum sluice_exit_status perform(
	struct exit_ring *ring, const struct sluice_exit_request *request, uint64_t *value)
{
	if (request->flags & ~SLUICE_EXIT_ASYNCHRONOUS)
		return SLUICE_EXIT_BAD_FLAGS;
	if (request->operation >= SLUICE_EXIT_OPERATION_COUNT)
		return SLUICE_EXIT_NO_SUCH_OPERATION;
	return operations[request->operation].handle(ring, request, value);
}

static unsigned cost_of(const struct sluice_exit_request *request)
{
	return request->operation < SLUICE_EXIT_OPERATION_COUNT
		       ? operations[request->operation].cost
		       : 1;
}

/* Handle the next one. Returns its cost, or 0 if the ring had to be stopped. */
static unsigned take_request(struct exit_ring *ring)
{
	const struct sluice_exit_request request = read_request(ring);
	const bool is_synchronous = !(request.flags & SLUICE_EXIT_ASYNCHRONOUS);
	enum sluice_exit_status status;
	uint64_t value = 0;

	if (is_synchronous && !has_room_for_completion(ring))
		return 0;
	status = perform(ring, &request, &value);
	ring->request_head++;
	counter_add(is_synchronous ? &ring->counters.synchronous : &ring->counters.asynchronous, 1);
	if (status != SLUICE_EXIT_DONE)
		counter_add(&ring->counters.refused, 1);
	if (is_synchronous)
		complete(ring, request.cookie, status, value);
	return cost_of(&request);
}

/* ---- polling ---- */

void exit_ring_init(struct exit_ring *ring, const struct exit_ring_config *config)
{
	*ring = (struct exit_ring){.config = *config};
	exit_ring_disarm(ring);
}

bool exit_ring_is_pending(const struct exit_ring *ring)
{
	return ring->state == SLUICE_EXIT_RING_SERVED &&
	       shared_read(ring->config.shared->guest.request_tail) != ring->request_head;
}

unsigned exit_ring_poll(struct exit_ring *ring)
{
	const uint32_t shown_before = ring->completion_shown, head_before = ring->request_head;
	uint32_t waiting;

	if (ring->state != SLUICE_EXIT_RING_SERVED)
		return 0;
	waiting = requests_waiting(ring);
	if (waiting > 0)
		ring->config.catch_up(ring->config.context);
	for (unsigned cost = 0, next; waiting > 0 && cost < EXIT_RING_POLL_COST_MAX; waiting--) {
		next = take_request(ring);
		if (next == 0)
			break;
		cost += next;
	}
	if (ring->request_head == head_before)
		return 0;
	show_completions(ring);
	/* Last, so that who finds all requests taken finds their completions. */
	shared_write_release(ring->config.shared->server.request_head, ring->request_head);
	interrupt_if_due(ring, shown_before);
	return ring->request_head - head_before;
}

bool exit_ring_arm(struct exit_ring *ring)
{
	shared_write(ring->config.shared->server.request_event, ring->request_head);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return exit_ring_is_pending(ring);
}

void exit_ring_disarm(struct exit_ring *ring)
{
	shared_write(ring->config.shared->server.request_event,
		sluice_exit_ring_no_event(ring->request_head));
}

const char *exit_ring_state_text(enum sluice_exit_ring_state state)
{
	static const char *const texts[] = {
		[SLUICE_EXIT_RING_SERVED] = "served",
		[SLUICE_EXIT_RING_BAD_REQUEST_INDEX] =
			"its request index is further ahead than the ring has entries",
		[SLUICE_EXIT_RING_BAD_COMPLETION_INDEX] =
			"its completion index is none that it was told",
		[SLUICE_EXIT_RING_NO_COMPLETION_LEFT] =
			"it has more synchronous requests than completions there is room for",
	};

	return texts[state];
}
