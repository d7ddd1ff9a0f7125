/*
 * What anybody may send to an agent's socket, and what an agent gone mad may seal.
 *
 * The input is taken once as a datagram, which must be refused or opened, and once as a payload under
 * the right key, which must come out as it went in and be decoded or refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gatekeeper/datagram/envelope.h"
#include "gatekeeper/datagram/rate_message.h"
#include "gatekeeper/datagram/replay_window.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[ENVELOPE_KEY_BYTES];
static uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX];

static void decode(size_t payload_bytes)
{
	struct rate_entry entries[RATE_MESSAGE_ENTRIES_MAX];
	uint8_t again[ENVELOPE_PAYLOAD_BYTES_MAX];
	int count = rate_message_decode(payload, payload_bytes, entries);

	if (count > 0 && (rate_message_encode(entries, (unsigned)count, again) != payload_bytes ||
				 memcmp(again, payload, payload_bytes) != 0))
		abort();
}

static void judge(const struct envelope *envelope)
{
	static struct replay_window window;
	struct envelope fresh = *envelope;

	fresh.sent_ns = 1;
	if (replay_window_judge(&window, &fresh, 1) != REPLAY_NEW)
		return;
	if (replay_window_judge(&window, &fresh, 1) != REPLAY_REPEATED)
		abort();
}

static void seal_and_open(const uint8_t *data, size_t size)
{
	uint8_t datagram[ENVELOPE_BYTES_MAX];
	struct envelope envelope = {0}, opened;
	size_t datagram_bytes;

	memcpy(&envelope, data, size < sizeof envelope ? size : sizeof envelope);
	datagram_bytes = envelope_seal(key, &envelope, data, size, datagram);
	if (envelope_open(key, datagram, datagram_bytes, &opened, payload) != (int)size ||
		memcmp(payload, data, size) != 0)
		abort();
	judge(&opened);
	decode(size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope envelope;
	int payload_bytes;

	if (envelope_init() < 0)
		abort();
	payload_bytes = envelope_open(key, data, size, &envelope, payload);
	if (payload_bytes >= 0)
		decode((size_t)payload_bytes);
	if (size > 0 && size <= ENVELOPE_PAYLOAD_BYTES_MAX)
		seal_and_open(data, size);
	return 0;
}
