/*
 * What is in a file of the commit log, a segment, and how much of it counts.
 *
 * Theory of operation. A segment is blocks. The first one has its head. Behind it are frames, each at the beginning of a block: what was
 * written at once, a group of records with successive numbers. Nothing that is on the device is ever written over before the whole segment
 * is used again, so a write that is torn spoils itself alone.
 *
 * A segment that is used again still has its earlier frames. Checksums are keyed hashes (SipHash), and the key is the segment's identity, a
 * random number that is new each time: so no earlier frame, and nothing that a client has put into a row, passes for a frame of now. A
 * frame's own checksum comes first: of what is none, nothing is believed, least of all how much there is to read.
 *
 * Frames end where one does not fit its checksum or has not the next number. Such an end is the last write, torn by a crash, or it is
 * damage. A frame says how many records were on the device when it was written: if there is a frame behind the end by which what
 * is missing was there, it is damage. Several frames that nobody has waited for may be lost together, in any order.
 */
#ifndef SLUICE_STORE_LOG_FORMAT_H
#define SLUICE_STORE_LOG_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

#define LOG_BLOCK_BYTES 4096u

struct log_identity {
	uint8_t bytes[16];
};

struct log_head {
	char magic[8];	   /* with the format's version */
	uint64_t checksum; /* of what follows */
	struct log_identity identity;
	uint64_t first; /* number of the first record */
};

struct log_frame {
	uint64_t checksum; /* of what follows here */
	uint64_t records_checksum;
	uint64_t first; /* number of the first of them */
	uint64_t
		durable; /* all records before this number were on the device when this was written */
	uint32_t count;
	uint32_t bytes; /* of the records, each behind a u32 that has its length */
};

/* What a frame with that many bytes of records takes. */
static inline uint64_t log_frame_room(uint64_t bytes)
{
	return (sizeof(struct log_frame) + bytes + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES *
	       LOG_BLOCK_BYTES;
}

struct log_head log_head_make(const struct log_identity *identity, uint64_t first);

/* Fill in the checksums; the records lie behind the frame. */
void log_frame_seal(struct log_frame *frame, const struct log_identity *identity);

enum log_head_state { LOG_UNUSED, LOG_USED, LOG_DAMAGED };

/*
 * What a segment of that many bytes begins with, of which its first block is needed. Unused is one that has no more than that, of zeroes: none
 * grows before its head is on the device.
 */
enum log_head_state log_head_read(const char *segment, size_t bytes, struct log_head *head);

/* Walks through the records of a segment. */
struct log_reader {
	const char *segment;
	size_t bytes;
	struct log_identity identity;
	size_t position;      /* of the next frame */
	uint64_t next;	      /* number of the next record */
	struct bytes records; /* of the frame, that are left */
	uint32_t count;
};

void log_reader_begin(
	struct log_reader *reader, const char *segment, size_t bytes, const struct log_head *head);

/* Returns false at the end, with `next` the number of what did not come. */
bool log_reader_next(struct log_reader *reader, uint64_t *number, struct bytes *record);

/*
 * At the end: whether there was more that counts.
 *
 * @wanted: records before this number are of no interest
 */
bool log_reader_is_cut(const struct log_reader *reader, uint64_t wanted);

#endif
