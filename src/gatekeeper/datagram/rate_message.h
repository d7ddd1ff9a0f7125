/*
 * The payload by which a receiving host's agent tells a sending host's how fast its vNICs may send
 * to whom. Small and idempotent: losing one costs a period, and getting one twice costs nothing.
 *
 *     0  kind    1 byte (1: rates), then 1 of zero
 *     2  count   2
 *     4  count entries of 40: source address 16, destination address 16, bytes per second 8
 *
 * Numbers are big-endian; IPv4 addresses are mapped into IPv6 (RFC 4291, section 2.5.5.2).
 */
#ifndef SLUICE_GATEKEEPER_DATAGRAM_RATE_MESSAGE_H
#define SLUICE_GATEKEEPER_DATAGRAM_RATE_MESSAGE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "gatekeeper/datagram/envelope.h"

#define RATE_MESSAGE_HEADER_BYTES 4u
#define RATE_MESSAGE_ENTRY_BYTES 40u
#define RATE_MESSAGE_ENTRIES_MAX \
	((ENVELOPE_PAYLOAD_BYTES_MAX - RATE_MESSAGE_HEADER_BYTES) / RATE_MESSAGE_ENTRY_BYTES)

#define RATE_UNLIMITED UINT64_MAX

/* What one vNIC may send to another. Each is named by its first address; see directory.h. */
struct rate_entry {
	struct in6_addr source;
	struct in6_addr destination;
	uint64_t bytes_per_s; /* at least 1: nobody is shut out; RATE_UNLIMITED: as it likes */
};

/*
 * @count: 1 to RATE_MESSAGE_ENTRIES_MAX
 * @payload: room for ENVELOPE_PAYLOAD_BYTES_MAX
 * Returns the size of the payload.
 */
size_t rate_message_encode(const struct rate_entry *entries, unsigned count, uint8_t *payload);

/*
 * @entries: room for RATE_MESSAGE_ENTRIES_MAX
 * Returns how many there are, or -EPROTO for anything but exactly such a message.
 */
int rate_message_decode(const uint8_t *payload, size_t payload_bytes, struct rate_entry *entries);

#endif
