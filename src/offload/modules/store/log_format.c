#include "log_format.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(struct log_identity) == crypto_shorthash_KEYBYTES, "an identity is a key");

static const char magic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'L', '2'};

static uint64_t checksum(const void *data, size_t bytes, const struct log_identity *identity)
{
	uint64_t sum;

	_Static_assert(sizeof sum == crypto_shorthash_BYTES, "all of it");
	crypto_shorthash((unsigned char *)&sum, data, bytes, identity->bytes);
	return sum;
}

/* ---- heads ---- */

static uint64_t head_checksum(const struct log_head *head)
{
	const size_t begin = offsetof(struct log_head, identity);

	return checksum((const char *)head + begin, sizeof *head - begin, &head->identity);
}

struct log_head log_head_make(const struct log_identity *identity, uint64_t first)
{
	struct log_head head = {.identity = *identity, .first = first};

	memcpy(head.magic, magic, sizeof magic);
	head.checksum = head_checksum(&head);
	return head;
}

static bool is_zero(const char *data, size_t bytes)
{
	return !bytes || (!data[0] && !memcmp(data, data + 1, bytes - 1));
}

enum log_head_state log_head_read(const char *segment, size_t bytes, struct log_head *head)
{
	if (bytes <= LOG_BLOCK_BYTES && is_zero(segment, bytes))
		return LOG_UNUSED;
	if (bytes < LOG_BLOCK_BYTES)
		return LOG_DAMAGED;
	memcpy(head, segment, sizeof *head);
	if (memcmp(head->magic, magic, sizeof magic) != 0 ||
		head->checksum != head_checksum(head) || !head->first)
		return LOG_DAMAGED;
	return LOG_USED;
}

/* ---- frames ---- */

static uint64_t frame_checksum(const struct log_frame *frame, const struct log_identity *identity)
{
	const size_t begin = offsetof(struct log_frame, records_checksum);

	return checksum((const char *)frame + begin, sizeof *frame - begin, identity);
}

void log_frame_seal(struct log_frame *frame, const struct log_identity *identity)
{
	frame->records_checksum = checksum(frame + 1, frame->bytes, identity);
	frame->checksum = frame_checksum(frame, identity);
}

/* With the records that follow it, or nothing. */
static bool read_frame(const struct log_reader *reader, size_t position, struct log_frame *frame)
{
	const char *at = reader->segment + position;

	if (reader->bytes < position || reader->bytes - position < sizeof *frame)
		return false;
	memcpy(frame, at, sizeof *frame);
	return frame->checksum == frame_checksum(frame, &reader->identity) && frame->count &&
	       frame->first >= reader->next &&
	       frame->bytes <= reader->bytes - position - sizeof *frame &&
	       frame->records_checksum ==
		       checksum(at + sizeof *frame, frame->bytes, &reader->identity);
}

/* ---- reading ---- */

void log_reader_begin(
	struct log_reader *reader, const char *segment, size_t bytes, const struct log_head *head)
{
	*reader = (struct log_reader){.segment = segment,
		.bytes = bytes,
		.identity = head->identity,
		.position = LOG_BLOCK_BYTES,
		.next = head->first};
}

static bool next_frame(struct log_reader *reader)
{
	struct log_frame frame;

	if (!read_frame(reader, reader->position, &frame) || frame.first != reader->next)
		return false;
	reader->count = frame.count;
	reader->records = (struct bytes){
		.data = reader->segment + reader->position + sizeof frame, .bytes = frame.bytes};
	reader->position += log_frame_room(frame.bytes);
	return true;
}

bool log_reader_next(struct log_reader *reader, uint64_t *number, struct bytes *record)
{
	struct bytes *records = &reader->records;
	uint32_t bytes;

	if (!reader->count && !next_frame(reader))
		return false;
	if (records->bytes < sizeof bytes)
		return false;
	memcpy(&bytes, records->data, sizeof bytes);
	if (bytes > records->bytes - sizeof bytes)
		return false;
	*record = (struct bytes){.data = records->data + sizeof bytes, .bytes = bytes};
	records->data += sizeof bytes + bytes;
	records->bytes -= sizeof bytes + bytes;
	reader->count--;
	*number = reader->next++;
	return true;
}

bool log_reader_is_cut(const struct log_reader *reader, uint64_t wanted)
{
	struct log_frame frame;

	for (size_t position = reader->position; position < reader->bytes;
		position += LOG_BLOCK_BYTES) {
		if (read_frame(reader, position, &frame) && frame.durable > reader->next &&
			frame.first + frame.count > wanted)
			return true;
	}
	/* A frame that is whole has all its records. */
	return reader->count;
}
