#include "gatekeeper/datagram/rate_message.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define KIND_RATES 1u

/* As they are on the wire, without padding. */
struct wire_header {
	uint8_t kind;
	uint8_t zero;
	uint16_t count;
};

struct wire_entry {
	uint8_t source[16];
	uint8_t destination[16];
	uint64_t bytes_per_s;
};

_Static_assert(
	sizeof(struct wire_header) == RATE_MESSAGE_HEADER_BYTES, "the header is as documented");
_Static_assert(sizeof(struct wire_entry) == RATE_MESSAGE_ENTRY_BYTES, "entries are as documented");

size_t rate_message_encode(const struct rate_entry *entries, unsigned count, uint8_t *payload)
{
	struct wire_header header = {.kind = KIND_RATES, .count = htobe16((uint16_t)count)};
	uint8_t *end = payload + sizeof header;

	memcpy(payload, &header, sizeof header);
	for (unsigned i = 0; i < count; i++, end += sizeof(struct wire_entry)) {
		struct wire_entry wire = {.bytes_per_s = htobe64(entries[i].bytes_per_s)};

		memcpy(wire.source, &entries[i].source, sizeof wire.source);
		memcpy(wire.destination, &entries[i].destination, sizeof wire.destination);
		memcpy(end, &wire, sizeof wire);
	}
	return (size_t)(end - payload);
}

static int decode_entry(const uint8_t *bytes, struct rate_entry *entry)
{
	struct wire_entry wire;

	memcpy(&wire, bytes, sizeof wire);
	memcpy(&entry->source, wire.source, sizeof wire.source);
	memcpy(&entry->destination, wire.destination, sizeof wire.destination);
	entry->bytes_per_s = be64toh(wire.bytes_per_s);
	return entry->bytes_per_s ? 0 : -EPROTO;
}

int rate_message_decode(const uint8_t *payload, size_t payload_bytes, struct rate_entry *entries)
{
	struct wire_header header;
	unsigned count;

	if (payload_bytes < sizeof header)
		return -EPROTO;
	memcpy(&header, payload, sizeof header);
	count = be16toh(header.count);
	if (header.kind != KIND_RATES || header.zero || !count ||
		count > RATE_MESSAGE_ENTRIES_MAX ||
		payload_bytes != sizeof header + count * sizeof(struct wire_entry))
		return -EPROTO;
	for (unsigned i = 0; i < count; i++)
		if (decode_entry(payload + sizeof header + i * sizeof(struct wire_entry),
			    &entries[i]) < 0)
			return -EPROTO;
	return (int)count;
}
