/*
 * What agents send each other, sealed: only who has the cluster's key can write or read it, and
 * nothing in it can be changed on the way.
 *
 *     0  magic      4 bytes
 *     4  version    1 byte, then 3 of zero
 *     8  host       8, the sender's identity
 *    16  epoch      8, when the sender's agent started (ns, real time): later agents have later ones
 *    24  sequence   8, counts up from 1 within an epoch
 *    32  sent       8, when it was sent (ns, real time)
 *    40  nonce     24, random
 *    64  payload, encrypted, and 16 bytes of authentication (XChaCha20-Poly1305 by libsodium, with
 *        bytes 0 to 39 as additional data)
 *
 * Numbers are big-endian. Time is an argument; whether a datagram is new is replay_window.h's matter.
 */
#ifndef SLUICE_GATEKEEPER_DATAGRAM_ENVELOPE_H
#define SLUICE_GATEKEEPER_DATAGRAM_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_KEY_BYTES 32u
#define ENVELOPE_BYTES_MAX 1400u /* fits any Ethernet, tunnels included, without fragments */
#define ENVELOPE_OVERHEAD_BYTES 80u
#define ENVELOPE_PAYLOAD_BYTES_MAX (ENVELOPE_BYTES_MAX - ENVELOPE_OVERHEAD_BYTES)

/* The outside: readable by anyone, changeable by none. */
struct envelope {
	uint64_t host_id;
	uint64_t epoch_ns;
	uint64_t sequence;
	uint64_t sent_ns;
};

/* To be called once, before anything else here. Returns 0, or -ENOSYS if libsodium cannot be used. */
int envelope_init(void);

/*
 * Seal a payload.
 *
 * @payload_bytes: up to ENVELOPE_PAYLOAD_BYTES_MAX
 * @datagram: room for payload_bytes + ENVELOPE_OVERHEAD_BYTES
 * Returns the size of the datagram.
 */
size_t envelope_seal(const uint8_t key[ENVELOPE_KEY_BYTES], const struct envelope *envelope,
	const void *payload, size_t payload_bytes, uint8_t *datagram);

/*
 * Open a datagram that came from anywhere.
 *
 * @payload: room for ENVELOPE_PAYLOAD_BYTES_MAX
 * Returns the size of the payload; -EPROTO if this is no datagram of ours (wrong size, magic or
 * version), -EBADMSG if it is not sealed with this key. Nothing is set then.
 */
int envelope_open(const uint8_t key[ENVELOPE_KEY_BYTES], const uint8_t *datagram,
	size_t datagram_bytes, struct envelope *envelope, void *payload);

#endif
