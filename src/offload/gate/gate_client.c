#include "offload/gate/gate_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cpu.h"

#define SPINS 2000u /* about ten microseconds */
#define LOOK_FOR_SERVER_MS 1000
#define RETRY_NS 50000 /* all slots are taken: more threads than slots do I/O */

/* ---- opening ---- */

static int map(struct gate_client *client, int fd, struct error *error)
{
	struct stat status;
	void *memory;

	if (fstat(fd, &status) < 0 || status.st_size != (off_t)sizeof *client->region)
		return error_set(error, -EPROTO, "the gate's memory has another size");
	memory = mmap(NULL, sizeof *client->region, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return error_set(
			error, -errno, "cannot map the gate's memory: %s", strerror(errno));
	client->region = memory;
	if (client->region->version == GATE_VERSION && client->region->slot_count == GATE_SLOTS)
		return 0;
	munmap(memory, sizeof *client->region);
	return error_set(error, -EPROTO, "the gate is of another version; install Sluice again");
}

int gate_client_open(
	struct gate_client *client, int region, int doorbell, const int *wake, struct error *error)
{
	int result = map(client, region, error);

	if (result < 0)
		return result;
	close(region);
	client->doorbell = doorbell;
	memcpy(client->wake, wake, sizeof client->wake);
	client->server = getppid();
	client->spins = cpu_usable_count() > 1 ? SPINS : 0;
	client->is_deserted = 0;
	return 0;
}

void gate_client_close(struct gate_client *client)
{
	munmap(client->region, sizeof *client->region);
	close(client->doorbell);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		close(client->wake[i]);
}

/* ---- asking ---- */

static bool is_deserted(struct gate_client *client)
{
	return __atomic_load_n(&client->is_deserted, __ATOMIC_RELAXED);
}

static void look_for_server(struct gate_client *client)
{
	if (getppid() != client->server)
		__atomic_store_n(&client->is_deserted, 1, __ATOMIC_RELAXED);
}

static bool try_to_claim(struct gate_slot *slot)
{
	uint32_t expected = GATE_FREE;

	return __atomic_load_n(&slot->state, __ATOMIC_RELAXED) == GATE_FREE &&
	       __atomic_compare_exchange_n(&slot->state, &expected, GATE_CLAIMED, false,
		       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static int claim(struct gate_client *client)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};

	while (!is_deserted(client)) {
		for (unsigned i = 0; i < GATE_SLOTS; i++)
			if (try_to_claim(&client->region->slots[i]))
				return (int)i;
		nanosleep(&pause, NULL);
		look_for_server(client);
	}
	return GATE_NO_SLOT;
}

static void post(struct gate_client *client, int slot)
{
	__atomic_fetch_or(&client->region->posted, 1ull << slot, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&client->region->is_parked, __ATOMIC_SEQ_CST))
		eventfd_write(client->doorbell, 1);
}

static bool has_leave(const struct gate_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_SEQ_CST) == GATE_GRANTED;
}

static bool spin(const struct gate_client *client, const struct gate_slot *slot)
{
	for (unsigned i = 0; i < client->spins; i++) {
		if (has_leave(slot))
			return true;
		cpu_relax();
	}
	return has_leave(slot);
}

static void sleep_until_granted(struct gate_client *client, int slot)
{
	struct gate_slot *asked = &client->region->slots[slot];
	struct pollfd woken = {client->wake[slot], POLLIN, 0};
	eventfd_t count;

	__atomic_store_n(&asked->is_sleeping, 1, __ATOMIC_SEQ_CST);
	while (!has_leave(asked) && !is_deserted(client)) {
		if (poll(&woken, 1, LOOK_FOR_SERVER_MS) > 0)
			eventfd_read(client->wake[slot], &count);
		else
			look_for_server(client);
	}
	__atomic_store_n(&asked->is_sleeping, 0, __ATOMIC_RELAXED);
}

/* What the caller sees of errno is its own I/O's. */
int gate_client_ask(
	struct gate_client *client, enum gate_kind kind, bool is_sequential, uint64_t bytes)
{
	const int error_before = errno;
	int slot = claim(client);
	struct gate_slot *asked;

	if (slot == GATE_NO_SLOT)
		return slot;
	asked = &client->region->slots[slot];
	__atomic_store_n(&asked->kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&asked->is_sequential, is_sequential, __ATOMIC_RELAXED);
	__atomic_store_n(&asked->bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&asked->state, GATE_ASKED, __ATOMIC_RELEASE);
	post(client, slot);
	if (!spin(client, asked))
		sleep_until_granted(client, slot);
	errno = error_before;
	return slot;
}

void gate_client_end(struct gate_client *client, int slot)
{
	const int error_before = errno;

	if (slot == GATE_NO_SLOT)
		return;
	__atomic_store_n(&client->region->slots[slot].state, GATE_ENDED, __ATOMIC_RELEASE);
	post(client, slot);
	errno = error_before;
}
