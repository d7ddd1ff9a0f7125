/* Sending requests and receiving answers. */
#include <errno.h>
#include <stdlib.h>

#include "channel_private.h"

#define SPARE_REPLY_BYTES_MAX (256u << 10) /* of memory that is kept for the next reply */

/* Where in the parts of a request the next byte is. */
struct cursor {
	const struct iovec *parts;
	size_t offset; /* in the first of them */
};

static size_t count_bytes(const struct iovec *parts, unsigned count)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += parts[i].iov_len;
	return bytes;
}

/* ---- sending ---- */

static void put_bytes(struct channel_connection *connection, uint32_t position,
	struct cursor *cursor, size_t bytes)
{
	while (bytes > 0) {
		const struct iovec *part = cursor->parts;
		const size_t left = part->iov_len - cursor->offset;
		const size_t now = bytes < left ? bytes : left;

		if (now > 0)
			channel_bytes_put(&connection->requests, position,
				(const uint8_t *)part->iov_base + cursor->offset, now);
		position += (uint32_t)now;
		bytes -= now;
		cursor->offset += now;
		if (cursor->offset < part->iov_len)
			continue;
		cursor->parts++;
		cursor->offset = 0;
	}
}

/* Both sides may be at the end of their rings: so make room for the host while there is none here. */
static int wait_for_room(struct channel_connection *connection, uint32_t bytes)
{
	int result = 0;

	while (result == 0 && !channel_has_room(connection, bytes)) {
		if (channel_has_record(connection))
			result = channel_take_record(connection);
		else
			result = channel_wait(connection, bytes);
	}
	return result;
}

static void put_record(struct channel_connection *connection, struct cursor *cursor, uint32_t bytes,
	bool is_last, bool is_posted)
{
	const struct sluice_channel_record record = {
		.bytes = bytes, .flags = is_last ? 0 : SLUICE_CHANNEL_RECORD_MORE};

	channel_record_put(&connection->requests, connection->request_tail, record);
	put_bytes(connection, connection->request_tail + (uint32_t)sizeof record, cursor, bytes);
	connection->request_tail += channel_record_room(bytes);
	connection->is_unheard = is_posted;
	write_shared_release(
		connection->slot->client_request.request_tail, connection->request_tail);
	if (!is_posted)
		channel_wake(connection, SLUICE_CHANNEL_WAKE_FOR_DATA);
}

static int send_parts(struct channel_connection *connection, const struct iovec *parts,
	unsigned count, bool is_posted)
{
	struct cursor cursor = {.parts = parts};
	const uint32_t most = channel_fragment_bytes(&connection->requests);
	const size_t bytes = count_bytes(parts, count);
	size_t left = bytes;
	int result;

	if (bytes > connection->region->layout.message_bytes_max)
		return -EMSGSIZE;
	if (channel_is_lost(connection))
		return -ECONNRESET;
	do {
		const uint32_t now = left < most ? (uint32_t)left : most;

		result = wait_for_room(connection, now);
		if (result < 0)
			goto fail;
		left -= now;
		put_record(connection, &cursor, now, left == 0, is_posted);
	} while (left > 0);
	connection->unanswered++;
	channel_count(&connection->counters.requests, 1);
	channel_count(&connection->counters.bytes_sent, bytes);
	return 0;

fail:
	/* A message that ends in the middle cannot be followed by another. */
	connection->is_broken = true;
	return result;
}

int channel_send(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	return send_parts(connection, parts, count, false);
}

int channel_post(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	return send_parts(connection, parts, count, true);
}

/* ---- receiving ---- */

/* The one that was handed out has been read; keep its memory, if it is not much. */
static void drop_current(struct channel_connection *connection)
{
	struct channel_reply *reply = connection->current;

	connection->current = NULL;
	if (!reply)
		return;
	if (connection->spare || reply->capacity > SPARE_REPLY_BYTES_MAX)
		free(reply);
	else
		connection->spare = reply;
}

void channel_expect_delay(struct channel_connection *connection)
{
	connection->is_delayed = true;
}

int channel_receive(struct channel_connection *connection, const void **reply, size_t *reply_bytes)
{
	int result = 0;

	drop_current(connection);
	if (connection->unanswered == 0)
		return -EINVAL;
	while (result == 0 && STAILQ_EMPTY(&connection->received)) {
		if (channel_has_record(connection))
			result = channel_take_record(connection);
		else
			result = channel_wait(connection, 0);
	}
	connection->is_delayed = false;
	if (result < 0)
		return result;
	connection->current = STAILQ_FIRST(&connection->received);
	STAILQ_REMOVE_HEAD(&connection->received, link);
	connection->received_count--;
	connection->unanswered--;
	*reply = connection->current->data;
	*reply_bytes = connection->current->bytes;
	return 0;
}

int channel_call(struct channel_connection *connection, const struct iovec *parts, unsigned count,
	const void **reply, size_t *reply_bytes)
{
	int result = channel_send(connection, parts, count);

	return result < 0 ? result : channel_receive(connection, reply, reply_bytes);
}
