#include "disk/segments.h"

#include <string.h>

bool segments_are_aligned(const struct iovec *segments, unsigned segment_count,
	size_t address_bytes, size_t length_bytes)
{
	uintptr_t addresses = 0;
	size_t lengths = 0;

	for (unsigned i = 0; i < segment_count; i++) {
		addresses |= (uintptr_t)segments[i].iov_base;
		lengths |= segments[i].iov_len;
	}
	return !(addresses & (address_bytes - 1)) && !(lengths & (length_bytes - 1));
}

/* A place within the segments. */
struct cursor {
	const struct iovec *segment;
	size_t used_bytes; /* of this segment */
};

static struct cursor cursor_at(const struct iovec *segments, uint64_t skip_bytes)
{
	while (skip_bytes >= segments->iov_len && skip_bytes) {
		skip_bytes -= segments->iov_len;
		segments++;
	}
	return (struct cursor){segments, skip_bytes};
}

/* The next contiguous piece, of at most `length_bytes`; moves the cursor behind it. */
static void *cursor_next(struct cursor *cursor, size_t length_bytes, size_t *piece_bytes)
{
	void *piece;

	while (cursor->used_bytes == cursor->segment->iov_len) {
		cursor->segment++;
		cursor->used_bytes = 0;
	}
	*piece_bytes = cursor->segment->iov_len - cursor->used_bytes;
	if (*piece_bytes > length_bytes)
		*piece_bytes = length_bytes;
	piece = (char *)cursor->segment->iov_base + cursor->used_bytes;
	cursor->used_bytes += *piece_bytes;
	return piece;
}

void segments_gather(
	const struct iovec *segments, uint64_t skip_bytes, void *linear, size_t length_bytes)
{
	struct cursor cursor = cursor_at(segments, skip_bytes);
	char *to = linear;
	size_t piece_bytes;

	for (; length_bytes; length_bytes -= piece_bytes) {
		const void *piece = cursor_next(&cursor, length_bytes, &piece_bytes);

		memcpy(to, piece, piece_bytes);
		to += piece_bytes;
	}
}

void segments_scatter(
	const struct iovec *segments, uint64_t skip_bytes, const void *linear, size_t length_bytes)
{
	struct cursor cursor = cursor_at(segments, skip_bytes);
	const char *from = linear;
	size_t piece_bytes;

	for (; length_bytes; length_bytes -= piece_bytes) {
		void *piece = cursor_next(&cursor, length_bytes, &piece_bytes);

		memcpy(piece, from, piece_bytes);
		from += piece_bytes;
	}
}
