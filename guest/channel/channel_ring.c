/*
 * Theory of operation. Positions of its own the client keeps in private memory; the host's are read only when those seen last say
 * that there is nothing to take or no room, so a line travels once per batch. The host is not trusted with the client's memory:
 * a position or a size that cannot be breaks the connection.
 */
#include <errno.h>
#include <stdlib.h>

#include "channel_private.h"

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
