/*
 * Theory of operation. Positions of its own the client keeps in private memory; the host's are read only when those seen last say
 * that there is nothing to take or no room, so a line travels once per batch. The host is not trusted with the client's memory:
 * a position or a size that cannot be breaks the connection.
 *
 * Who waits polls for a window that adapts, as the host's does: it doubles when the event came soon after the client went to sleep, and
 * halves when it came late. Before it sleeps it says for what, and looks once more; the other side moves an index, and then looks whether
 * somebody sleeps. Both have a full fence in between, so one of them sees the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "channel_private.h"

#define WINDOW_NS_FIRST 4000u /* where a window that was 0 starts to grow */
#define LOOKS_PER_CLOCK 32u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

bool channel_is_lost(const struct channel_connection *connection)
{
	return connection->is_broken ||
	       read_shared(connection->header->host.host_epoch) != connection->host_epoch ||
	       read_shared(connection->slot->host.state) != SLUICE_CHANNEL_SLOT_OPEN ||
	       read_shared(connection->slot->host.epoch) != connection->slot_epoch;
}

void channel_show(
	struct channel_connection *connection, uint32_t *index, uint32_t position, uint32_t reason)
{
	write_shared_release(*index, position);
	channel_wake(connection, reason);
}

void channel_wake(struct channel_connection *connection, uint32_t reason)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!(read_shared(connection->slot->host.sleeps) & reason))
		return;
	if (connection->channel->transport->ring_doorbell(connection))
		channel_count(&connection->counters.doorbells, 1);
}

/* ---- taking ---- */

bool channel_has_record(struct channel_connection *connection)
{
	uint32_t used = connection->reply_tail - connection->reply_head;

	if (used > 0 || connection->is_broken)
		return used > 0;
	connection->reply_tail = read_shared_acquire(connection->slot->host_reply.reply_tail);
	used = connection->reply_tail - connection->reply_head;
	if (used > connection->answers.size || used % SLUICE_CHANNEL_RECORD_ALIGNMENT != 0) {
		connection->is_broken = true;
		connection->reply_tail = connection->reply_head;
		return false;
	}
	return used > 0;
}

static bool is_possible(
	const struct channel_connection *connection, const struct sluice_channel_record *record)
{
	const size_t before = connection->partial ? connection->partial->bytes : 0;

	if (record->flags & ~SLUICE_CHANNEL_RECORD_MORE)
		return false;
	/* Nobody asked for it. */
	if (connection->received_count == connection->unanswered)
		return false;
	if ((record->flags & SLUICE_CHANNEL_RECORD_MORE) && record->bytes == 0)
		return false;
	if (record->bytes > connection->answers.size ||
		before + record->bytes > connection->region->layout.message_bytes_max)
		return false;
	return channel_record_room(record->bytes) <=
	       connection->reply_tail - connection->reply_head;
}

/* Memory for `bytes` more of the message that is coming in. */
static struct channel_reply *make_room(struct channel_connection *connection, size_t bytes)
{
	struct channel_reply *reply = connection->partial ? connection->partial : connection->spare;
	const size_t used = connection->partial ? connection->partial->bytes : 0;
	size_t capacity = reply && reply->capacity > 512 ? reply->capacity : 512;

	if (reply == connection->spare)
		connection->spare = NULL;
	while (capacity < used + bytes)
		capacity *= 2;
	if (!reply || reply->capacity < capacity) {
		struct channel_reply *larger = realloc(reply, sizeof *reply + capacity);

		if (!larger) {
			connection->partial = reply;
			return NULL;
		}
		reply = larger;
		reply->capacity = capacity;
	}
	reply->bytes = used;
	connection->partial = reply;
	return reply;
}

int channel_take_record(struct channel_connection *connection)
{
	const struct sluice_channel_record record =
		channel_record_take(&connection->answers, connection->reply_head);
	struct channel_reply *reply;

	if (!is_possible(connection, &record)) {
		connection->is_broken = true;
		return -ECONNRESET;
	}
	reply = make_room(connection, record.bytes);
	if (!reply)
		return -ENOMEM;
	channel_bytes_take(&connection->answers, connection->reply_head + sizeof record,
		reply->data + reply->bytes, record.bytes);
	reply->bytes += record.bytes;
	connection->reply_head += channel_record_room(record.bytes);
	channel_show(connection, &connection->slot->client_reply.reply_head, connection->reply_head,
		SLUICE_CHANNEL_WAKE_FOR_ROOM);
	if (!(record.flags & SLUICE_CHANNEL_RECORD_MORE)) {
		STAILQ_INSERT_TAIL(&connection->received, reply, link);
		connection->received_count++;
		connection->partial = NULL;
		channel_count(&connection->counters.bytes_received, reply->bytes);
	}
	return 0;
}

/* ---- room ---- */

bool channel_has_room(struct channel_connection *connection, uint32_t bytes)
{
	const uint32_t needed = channel_record_room(bytes);
	const uint32_t size = connection->requests.size;
	uint32_t head;

	if (needed <= size - (connection->request_tail - connection->request_head))
		return true;
	head = read_shared_acquire(connection->slot->host_request.request_head);
	if (connection->request_tail - head > connection->request_tail - connection->request_head) {
		connection->is_broken = true;
		return false;
	}
	connection->request_head = head;
	return needed <= size - (connection->request_tail - head);
}

/* ---- waiting ---- */

struct waiting {
	struct channel_connection *connection;
	uint32_t room_bytes; /* 0: only for a record */
};

static bool is_over(const struct waiting *waiting)
{
	struct channel_connection *connection = waiting->connection;

	return channel_has_record(connection) ||
	       (waiting->room_bytes && channel_has_room(connection, waiting->room_bytes)) ||
	       connection->is_broken;
}

static bool poll_for(const struct waiting *waiting, uint64_t until_ns)
{
	do
		for (unsigned i = 0; i < LOOKS_PER_CLOCK; i++) {
			if (is_over(waiting))
				return true;
			pause_cpu();
		}
	while (now_ns() < until_ns);
	return false;
}

/* One sleep, if there is still nothing. Returns whether the host is there. */
static bool sleep_for(const struct waiting *waiting, unsigned nap)
{
	struct channel_connection *connection = waiting->connection;
	const uint32_t reasons = SLUICE_CHANNEL_WAKE_FOR_DATA |
				 (waiting->room_bytes ? SLUICE_CHANNEL_WAKE_FOR_ROOM : 0);
	bool is_there = true;

	write_shared(connection->slot->client.sleeps, reasons);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!is_over(waiting) && !channel_is_lost(connection)) {
		channel_count(&connection->counters.sleeps, 1);
		is_there = connection->channel->transport->sleep(connection, nap);
	}
	write_shared(connection->slot->client.sleeps, 0);
	return is_there;
}

static void adapt_window(struct channel_connection *connection, uint64_t slept_ns)
{
	const uint64_t max_ns = connection->poll_ns_max;
	const uint64_t doubled_ns =
		connection->window_ns ? 2 * connection->window_ns : WINDOW_NS_FIRST;

	if (slept_ns > max_ns)
		connection->window_ns /= 2;
	else
		connection->window_ns = doubled_ns < max_ns ? doubled_ns : max_ns;
}

int channel_wait(struct channel_connection *connection, uint32_t room_bytes)
{
	const struct waiting waiting = {connection, room_bytes};
	const uint64_t window_ns = connection->is_delayed ? 0 : connection->window_ns;
	const uint64_t began_ns = now_ns();
	uint64_t slept_at_ns;

	if (connection->is_unheard)
		channel_wake(connection, SLUICE_CHANNEL_WAKE_FOR_DATA);
	connection->is_unheard = false;
	if (!poll_for(&waiting, began_ns + window_ns)) {
		slept_at_ns = now_ns();
		for (unsigned nap = 0; !is_over(&waiting); nap++)
			if (channel_is_lost(connection) || !sleep_for(&waiting, nap))
				return -ECONNRESET;
		if (!connection->is_delayed)
			adapt_window(connection, now_ns() - slept_at_ns);
	}
	return connection->is_broken ? -ECONNRESET : 0;
}
