/*
 * Theory of operation. Indices are kept in private memory, and the server's are read only when those seen
 * last say that there is nothing to do or no room: the line that the server writes is fetched once per
 * batch. Every synchronous request reserves its completion, so the server never has to wait for room.
 */
#include "exit_ring_client.h"

#define ENTRIES SLUICE_EXIT_RING_ENTRIES

#define read_shared(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define read_shared_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define write_shared(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define write_shared_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

static void pause_cpu(void)
{
	__builtin_ia32_pause();
}

bool exit_ring_client_is_served(const struct exit_ring_client *client)
{
	return read_shared(client->ring->server.state) == SLUICE_EXIT_RING_SERVED;
}

static bool is_drained(struct exit_ring_client *client)
{
	client->request_head = read_shared_acquire(client->ring->server.request_head);
	return client->request_head == client->request_tail;
}

bool exit_ring_client_open(struct exit_ring_client *client, struct sluice_exit_ring *ring,
	uint32_t index, void (*ring_doorbell)(uint32_t index))
{
	*client = (struct exit_ring_client){
		.ring = ring, .index = index, .ring_doorbell = ring_doorbell};
	client->request_tail = client->request_shown = read_shared(ring->guest.request_tail);
	ring_doorbell(index);
	while (!is_drained(client)) {
		if (!exit_ring_client_is_served(client))
			return false;
		pause_cpu();
	}
	client->completion_head = client->completion_tail =
		read_shared_acquire(ring->server.completion_tail);
	write_shared(ring->guest.completion_head, client->completion_head);
	write_shared(
		ring->guest.completion_event, sluice_exit_ring_no_event(client->completion_head));
	return exit_ring_client_is_served(client);
}

static bool has_room(struct exit_ring_client *client, bool is_synchronous)
{
	if (is_synchronous && client->synchronous == ENTRIES)
		return false;
	if (client->request_tail - client->request_head < ENTRIES)
		return true;
	client->request_head = read_shared_acquire(client->ring->server.request_head);
	return client->request_tail - client->request_head < ENTRIES;
}

bool exit_ring_client_add(
	struct exit_ring_client *client, const struct sluice_exit_request *request)
{
	const bool is_synchronous = !(request->flags & SLUICE_EXIT_ASYNCHRONOUS);

	if (!has_room(client, is_synchronous))
		return false;
	client->ring->requests[client->request_tail % ENTRIES] = *request;
	client->request_tail++;
	client->synchronous += is_synchronous;
	return true;
}

void exit_ring_client_show(struct exit_ring_client *client)
{
	struct sluice_exit_ring *ring = client->ring;
	const uint32_t from = client->request_shown, to = client->request_tail;

	if (from == to)
		return;
	client->request_shown = to;
	write_shared_release(ring->guest.request_tail, to);
	/* Either the server, about to sleep, sees the index, or it is seen here that it wants to be woken. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (sluice_exit_ring_is_due(read_shared(ring->server.request_event), to, from))
		client->ring_doorbell(client->index);
}

static bool has_completion(struct exit_ring_client *client)
{
	if (client->completion_head != client->completion_tail)
		return true;
	client->completion_tail = read_shared_acquire(client->ring->server.completion_tail);
	return client->completion_head != client->completion_tail;
}

bool exit_ring_client_take(
	struct exit_ring_client *client, struct sluice_exit_completion *completion)
{
	if (!has_completion(client))
		return false;
	*completion = client->ring->completions[client->completion_head % ENTRIES];
	client->completion_head++;
	client->synchronous--;
	write_shared_release(client->ring->guest.completion_head, client->completion_head);
	return true;
}

bool exit_ring_client_want_interrupt(struct exit_ring_client *client)
{
	write_shared(client->ring->guest.completion_event, client->completion_head);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !has_completion(client);
}

bool exit_ring_client_call(struct exit_ring_client *client,
	const struct sluice_exit_request *request, struct sluice_exit_completion *completion)
{
	if (!exit_ring_client_add(client, request))
		return false;
	exit_ring_client_show(client);
	while (!exit_ring_client_take(client, completion)) {
		if (!exit_ring_client_is_served(client))
			return false;
		pause_cpu();
	}
	return true;
}
