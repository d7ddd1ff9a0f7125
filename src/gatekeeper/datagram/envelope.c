#include "gatekeeper/datagram/envelope.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#define VERSION 1u
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES crypto_aead_xchacha20poly1305_ietf_ABYTES

static const uint8_t magic[4] = {'S', 'l', 'G', 'k'};

/* As it is on the wire, without padding. */
struct header {
	uint8_t magic[4];
	uint8_t version;
	uint8_t zero[3];
	uint64_t host_id;
	uint64_t epoch_ns;
	uint64_t sequence;
	uint64_t sent_ns;
};

_Static_assert(sizeof(struct header) == 40, "the header is as documented");
_Static_assert(sizeof(struct header) + NONCE_BYTES + TAG_BYTES == ENVELOPE_OVERHEAD_BYTES,
	"the overhead is as documented");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == ENVELOPE_KEY_BYTES,
	"keys are as documented");

int envelope_init(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

size_t envelope_seal(const uint8_t key[ENVELOPE_KEY_BYTES], const struct envelope *envelope,
	const void *payload, size_t payload_bytes, uint8_t *datagram)
{
	struct header header = {
		.magic = {magic[0], magic[1], magic[2], magic[3]},
		.version = VERSION,
		.host_id = htobe64(envelope->host_id),
		.epoch_ns = htobe64(envelope->epoch_ns),
		.sequence = htobe64(envelope->sequence),
		.sent_ns = htobe64(envelope->sent_ns),
	};
	uint8_t *nonce = datagram + sizeof header;

	memcpy(datagram, &header, sizeof header);
	randombytes_buf(nonce, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, NULL, payload,
		payload_bytes, datagram, sizeof header, NULL, nonce, key);
	return payload_bytes + ENVELOPE_OVERHEAD_BYTES;
}

static int check_header(const struct header *header, size_t datagram_bytes)
{
	static const uint8_t zero[sizeof header->zero];

	if (memcmp(header->magic, magic, sizeof magic) != 0 || header->version != VERSION ||
		memcmp(header->zero, zero, sizeof zero) != 0)
		return -EPROTO;
	return datagram_bytes > ENVELOPE_BYTES_MAX ? -EPROTO : 0;
}

int envelope_open(const uint8_t key[ENVELOPE_KEY_BYTES], const uint8_t *datagram,
	size_t datagram_bytes, struct envelope *envelope, void *payload)
{
	const uint8_t *nonce = datagram + sizeof(struct header);
	unsigned long long payload_bytes;
	struct header header;

	if (datagram_bytes < ENVELOPE_OVERHEAD_BYTES)
		return -EPROTO;
	memcpy(&header, datagram, sizeof header);
	if (check_header(&header, datagram_bytes) < 0)
		return -EPROTO;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(payload, &payload_bytes, NULL,
		    nonce + NONCE_BYTES, datagram_bytes - sizeof header - NONCE_BYTES, datagram,
		    sizeof header, nonce, key) != 0)
		return -EBADMSG;
	*envelope = (struct envelope){
		.host_id = be64toh(header.host_id),
		.epoch_ns = be64toh(header.epoch_ns),
		.sequence = be64toh(header.sequence),
		.sent_ns = be64toh(header.sent_ns),
	};
	return (int)payload_bytes;
}
