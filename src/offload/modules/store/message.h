/* Reading what a client has sent: nothing is looked at that is not there. */
#ifndef SLUICE_STORE_MESSAGE_H
#define SLUICE_STORE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that belong to somebody else. */
struct bytes {
	const char *data;
	size_t bytes;
};

struct message_reader {
	const char *at;
	size_t left;
};

/* Copy the next `bytes` bytes. Returns false if there are fewer. */
static inline bool message_take(struct message_reader *reader, void *to, size_t bytes)
{
	if (reader->left < bytes)
		return false;
	memcpy(to, reader->at, bytes);
	reader->at += bytes;
	reader->left -= bytes;
	return true;
}

/* The next `bytes` bytes, where they are. Returns false if there are fewer. */
static inline bool message_take_bytes(
	struct message_reader *reader, size_t bytes, struct bytes *taken)
{
	if (reader->left < bytes)
		return false;
	*taken = (struct bytes){.data = reader->at, .bytes = bytes};
	reader->at += bytes;
	reader->left -= bytes;
	return true;
}

/* Like memcmp; of two that begin alike, the shorter is the lesser. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
	const size_t common = a.bytes < b.bytes ? a.bytes : b.bytes;
	const int order = common ? memcmp(a.data, b.data, common) : 0;

	if (order)
		return order;
	return a.bytes < b.bytes ? -1 : a.bytes > b.bytes;
}

#endif
