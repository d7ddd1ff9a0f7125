/* job_test: an exit ring does what docs/exit-ring.md says. */
#include "cpu.h"
#include "interrupts.h"
#include "jobs.h"
#include "machine.h"
#include "print.h"
#include "ring.h"

#define ENTRIES SLUICE_EXIT_RING_ENTRIES
#define REQUESTS_DEFAULT 10000u
#define MESSAGE_ADDRESS 0xfee00000u /* to the vCPU with APIC ID 0 */
#define SPINS_MAX 2000000000ull

static struct exit_ring_client client;

/* ---- what tests say and do ---- */

static void say(const char *name, bool is_ok)
{
	print(is_ok ? "ok " : "FAILED ");
	print(name);
	print("\n");
}

static struct sluice_exit_completion call(struct sluice_exit_request request)
{
	struct sluice_exit_completion completion = {.status = UINT32_MAX};

	exit_ring_client_call(&client, &request, &completion);
	return completion;
}

/* Asynchronous; waits for room. */
static void post(struct sluice_exit_request request)
{
	request.flags = SLUICE_EXIT_ASYNCHRONOUS;
	while (!exit_ring_client_add(&client, &request))
		cpu_pause();
	exit_ring_client_show(&client);
}

static void barrier(void)
{
	call((struct sluice_exit_request){.operation = SLUICE_EXIT_NOTHING});
}

/* ---- tests ---- */

static bool test_synchronous(void)
{
	const struct sluice_exit_completion completion =
		call((struct sluice_exit_request){.cookie = 0x0123456789abcdef});

	return completion.status == SLUICE_EXIT_DONE && completion.cookie == 0x0123456789abcdef;
}

static bool test_refusal(void)
{
	return call((struct sluice_exit_request){.operation = 999}).status ==
	       SLUICE_EXIT_NO_SUCH_OPERATION;
}

/* The address register of PCI: written by one way, read by the other. */
static bool test_port_write_is_seen_by_an_exit(void)
{
	const struct sluice_exit_request request = {.operation = SLUICE_EXIT_PORT_WRITE,
		.address = PORT_PCI_ADDRESS,
		.size_bytes = 4,
		.value = 0x80001234 & ~3u};

	return call(request).status == SLUICE_EXIT_DONE &&
	       port_read32(PORT_PCI_ADDRESS) == (uint32_t)request.value;
}

static bool test_exit_is_seen_by_a_port_read(void)
{
	struct sluice_exit_completion completion;

	port_write32(PORT_PCI_ADDRESS, 0x80005678 & ~3u);
	completion = call((struct sluice_exit_request){
		.operation = SLUICE_EXIT_PORT_READ, .address = PORT_PCI_ADDRESS, .size_bytes = 4});
	return completion.status == SLUICE_EXIT_DONE && completion.value == (0x80005678 & ~3u);
}

static bool test_memory_read(void)
{
	const struct sluice_exit_completion completion =
		call((struct sluice_exit_request){.operation = SLUICE_EXIT_MEMORY_READ,
			.address = PCI_MEMORY_END - 8,
			.size_bytes = 8});

	return completion.status == SLUICE_EXIT_DONE && completion.value == UINT64_MAX;
}

/* A request does not write RAM: what an exit could not do. */
static bool test_memory_write_is_for_registers_only(void)
{
	static volatile uint64_t here = 1;

	call((struct sluice_exit_request){.operation = SLUICE_EXIT_MEMORY_WRITE,
		.address = (uintptr_t)&here,
		.size_bytes = 8,
		.value = 2});
	return here == 1;
}

static bool test_asynchronous(void)
{
	for (uint32_t i = 0; i < 1000; i++)
		post((struct sluice_exit_request){.operation = SLUICE_EXIT_PORT_WRITE,
			.address = PORT_PCI_ADDRESS,
			.size_bytes = 4,
			.value = 0x80000000 | i << 2});
	barrier();
	return port_read32(PORT_PCI_ADDRESS) == (0x80000000 | 999u << 2);
}

static bool test_full(void)
{
	const struct sluice_exit_request request = {.operation = SLUICE_EXIT_NOTHING};
	struct sluice_exit_completion completion;
	unsigned added = 0, taken = 0;

	while (exit_ring_client_add(&client, &request))
		added++;
	exit_ring_client_show(&client);
	while (taken < added && exit_ring_client_is_served(&client))
		taken += exit_ring_client_take(&client, &completion);
	return added == ENTRIES && taken == ENTRIES;
}

static bool test_console(void)
{
	static const char text[] = "written by the exit ring\n";
	unsigned written = 0;

	while (written < sizeof text - 1) {
		const struct sluice_exit_completion completion =
			call((struct sluice_exit_request){.operation = SLUICE_EXIT_CONSOLE_WRITE,
				.address = (uintptr_t)text + written,
				.size_bytes = (uint32_t)(sizeof text - 1 - written)});

		if (completion.status != SLUICE_EXIT_DONE)
			return false;
		written += (unsigned)completion.value;
	}
	return true;
}

/* Until the server asks for the doorbell at the next request. */
static bool wait_until_parked(void)
{
	const struct sluice_exit_ring_server *server = &client.ring->server;

	for (uint64_t i = 0; i < SPINS_MAX; i++) {
		if (__atomic_load_n(&server->request_event, __ATOMIC_RELAXED) ==
			client.request_tail)
			return true;
		cpu_pause();
	}
	return false;
}

static bool test_sleeping_server(void)
{
	for (unsigned i = 0; i < 10; i++) {
		const uint32_t before = ring_doorbells();

		if (!wait_until_parked())
			return false;
		barrier();
		if (ring_doorbells() != before + 1)
			return false;
	}
	return true;
}

static void sleep_until_completion(void)
{
	interrupts_off();
	while (exit_ring_client_want_interrupt(&client))
		wait_for_interrupt();
}

static bool set_interrupt(uint64_t address)
{
	return call((struct sluice_exit_request){.operation = SLUICE_EXIT_SET_INTERRUPT,
			    .address = address,
			    .value = VECTOR_COMPLETION})
		       .status == SLUICE_EXIT_DONE;
}

/* From a parked server: this is slow enough for the guest to be asleep when it is done, now and then. */
static bool test_interrupt(void)
{
	const struct sluice_exit_request request = {.operation = SLUICE_EXIT_NOTHING};
	struct sluice_exit_completion completion;
	const uint32_t before = interrupts_count();

	if (!set_interrupt(MESSAGE_ADDRESS))
		return false;
	for (unsigned i = 0; i < 20; i++) {
		if (!wait_until_parked() || !exit_ring_client_add(&client, &request))
			return false;
		/* Asked for first, so that it comes in any case. */
		exit_ring_client_want_interrupt(&client);
		exit_ring_client_show(&client);
		sleep_until_completion();
		if (!exit_ring_client_take(&client, &completion))
			return false;
	}
	while (interrupts_count() == before)
		wait_for_interrupt();
	return set_interrupt(0);
}

/* Somebody else's nonsense. */
static bool test_broken_neighbour(void)
{
	struct sluice_exit_ring *neighbour = ring_at(1);

	if (ring_count() < 2)
		return true;
	__atomic_store_n(&neighbour->guest.request_tail, 0x12345678, __ATOMIC_SEQ_CST);
	port_write32(SLUICE_EXIT_RING_PORT_DOORBELL, 1);
	while (__atomic_load_n(&neighbour->server.state, __ATOMIC_RELAXED) !=
		SLUICE_EXIT_RING_BAD_REQUEST_INDEX)
		cpu_pause();
	return test_synchronous() && test_full();
}

static const struct {
	const char *name;
	bool (*is_ok)(void);
} tests[] = {
	{"synchronous", test_synchronous},
	{"refusal", test_refusal},
	{"port write is seen by an exit", test_port_write_is_seen_by_an_exit},
	{"exit is seen by a port read", test_exit_is_seen_by_a_port_read},
	{"memory read", test_memory_read},
	{"memory write is for registers only", test_memory_write_is_for_registers_only},
	{"asynchronous", test_asynchronous},
	{"full", test_full},
	{"console", test_console},
	{"sleeping server", test_sleeping_server},
	{"interrupt", test_interrupt},
	{"broken neighbour", test_broken_neighbour},
};

/* For whoever counts exits: they must be few. */
static void make_requests(uint64_t count)
{
	const uint32_t before = ring_doorbells();

	for (uint64_t i = 0; i < count; i++) {
		if (i % 2)
			post((struct sluice_exit_request){.operation = SLUICE_EXIT_NOTHING});
		else
			barrier();
	}
	print("requests ");
	print_decimal(count);
	print(" doorbells ");
	print_decimal(ring_doorbells() - before);
	print("\n");
}

void job_test(const uint64_t arguments[JOB_ARGUMENTS_MAX])
{
	const bool is_open = ring_open(&client, 0);

	say("open", is_open);
	if (!is_open)
		return;
	for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++)
		say(tests[i].name, tests[i].is_ok());
	make_requests(arguments[0] ? arguments[0] : REQUESTS_DEFAULT);
}
