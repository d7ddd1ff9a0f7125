/*
 * A segment of the commit log, as a disk may give it back. The first byte says whether all of it is the input, or only the frames, with a
 * head that is right. Of the frames, those with a checksum of zero get the right one.
 */
#include <stdlib.h>
#include <string.h>

#include "offload/modules/store/log_format.h"

#define FIRST 1u
#define BYTES_MAX (64u << 10)

static const struct log_identity identity = {{1}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal_frames(char *segment, size_t bytes)
{
	for (size_t at = LOG_BLOCK_BYTES; at + sizeof(struct log_frame) <= bytes;
		at += LOG_BLOCK_BYTES) {
		struct log_frame *frame = (struct log_frame *)(segment + at);

		if (!frame->checksum && frame->bytes <= bytes - at - sizeof *frame)
			log_frame_seal(frame, &identity);
	}
}

static void read_records(const char *segment, size_t bytes, const struct log_head *head)
{
	uint64_t number, expected = head->first;
	struct log_reader reader;
	struct bytes record;

	log_reader_begin(&reader, segment, bytes, head);
	while (log_reader_next(&reader, &number, &record)) {
		if (number != expected++ || record.data < segment ||
			record.data + record.bytes > segment + bytes)
			abort();
	}
	(void)log_reader_is_cut(&reader, expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const bool has_head = size && data[0] & 1;
	const size_t begin = has_head ? 0 : LOG_BLOCK_BYTES;
	size_t bytes = size ? size - 1 + begin : 0;
	struct log_head head = log_head_make(&identity, FIRST);
	char *segment;

	if (!size || bytes > BYTES_MAX)
		return 0;
	segment = calloc(1, bytes + 1);
	if (!segment)
		abort();
	if (!has_head)
		memcpy(segment, &head, sizeof head);
	memcpy(segment + begin, data + 1, size - 1);
	if (!has_head)
		seal_frames(segment, bytes);
	if (log_head_read(segment, bytes, &head) == LOG_USED)
		read_records(segment, bytes, &head);
	free(segment);
	return 0;
}
