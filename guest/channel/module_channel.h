/*
 * The module channel: how clients and a module on the host share memory. This is the whole interface, for both sides;
 * docs/module-channel.md explains it. It needs nothing but a compiler, and may be copied into a client's own source.
 *
 * A region is a header, then slots at equal distances. A slot is one connection: lines that one side writes and the other reads,
 * then a ring of bytes for requests and one for replies. In a ring are records: a head of 8 bytes, then its data, then up to 7 bytes
 * so that the next one begins at a multiple of 8. Positions run freely through 32 bits; the place of a byte is its position modulo
 * the ring's size, and data goes on at the beginning where the ring ends. All numbers are little-endian.
 */
#ifndef SLUICE_MODULE_CHANNEL_H
#define SLUICE_MODULE_CHANNEL_H

#include <stdint.h>

#define SLUICE_CHANNEL_MAGIC 0x4843454349554c53ull /* "SLUICECH" */
#define SLUICE_CHANNEL_VERSION 1u
#define SLUICE_CHANNEL_NAME_BYTES 64
#define SLUICE_CHANNEL_LINE_BYTES 128

#define SLUICE_CHANNEL_SLOTS_MAX 1024u
#define SLUICE_CHANNEL_RING_BYTES_MIN 4096u
#define SLUICE_CHANNEL_RING_BYTES_MAX (64u << 20)

/* ---- the header ---- */

/* What the host writes before it serves, and does not change. */
struct sluice_channel_layout {
	uint64_t magic; /* written last */
	uint32_t version;
	uint32_t slot_count;
	uint64_t region_bytes;
	uint32_t slots_offset;
	uint32_t slot_stride;
	uint32_t request_ring_offset; /* from the beginning of the slot */
	uint32_t request_ring_bytes;  /* a power of two */
	uint32_t reply_ring_offset;
	uint32_t reply_ring_bytes; /* a power of two */
	uint32_t message_bytes_max;
	/*
	 * On PCI: what rings the doorbell when it is written to the device's register at 12 of BAR 0; 0: there is none now. This
	 * alone changes while the region is served.
	 */
	uint32_t doorbell;
	char name[SLUICE_CHANNEL_NAME_BYTES]; /* of the module; ends with a zero */
	/* On a socket: one more than the CPU that the host keeps to; 0: it keeps to none, or does not say. */
	uint32_t host_cpu;
	uint32_t reserved; /* 0 */
};

struct sluice_channel_header {
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct sluice_channel_layout layout;

	/* What the host alone writes. */
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t
			host_epoch; /* another whenever all connections were forgotten; 0: not served */
		uint32_t client_epoch_seen; /* on PCI */
	} host;

	/* On PCI, what the client alone writes. */
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t client_epoch; /* another for each client, one at a time */
		uint32_t claims;       /* one more after each change of a slot's `claim` */
	} client;
};

/* ---- a slot ---- */

enum sluice_channel_slot_state {
	SLUICE_CHANNEL_SLOT_FREE,
	SLUICE_CHANNEL_SLOT_OPEN,
	SLUICE_CHANNEL_SLOT_CLOSED, /* the host has closed it; the client has to let go of it */
};

/* Why a side that sleeps wants to be woken. */
#define SLUICE_CHANNEL_WAKE_FOR_DATA 1u /* there is something to take */
#define SLUICE_CHANNEL_WAKE_FOR_ROOM 2u /* something was taken */

/* Lines are 128 bytes apart: processors fetch pairs of them. */
struct sluice_channel_slot {
	/* What the client alone writes, but for the host when it opens the slot. */
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t request_tail;
	} client_request;
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t reply_head;
	} client_reply;
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t sleeps; /* SLUICE_CHANNEL_WAKE_...: call when that happens */
		uint32_t
			claim; /* on PCI: the slot's epoch that the client has, or wants; 0: none */
	} client;

	/* What the host alone writes. */
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t request_head;
	} host_request;
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t reply_tail;
	} host_reply;
	_Alignas(SLUICE_CHANNEL_LINE_BYTES) struct {
		uint32_t sleeps; /* SLUICE_CHANNEL_WAKE_...: ring the doorbell when that happens */
		uint32_t state;	 /* enum sluice_channel_slot_state */
		uint32_t epoch;	 /* one more each time that the slot is opened */
	} host;
};

/* ---- records ---- */

#define SLUICE_CHANNEL_RECORD_MORE 1u /* the message goes on in the next record */
#define SLUICE_CHANNEL_RECORD_ALIGNMENT 8u

/* With MORE there is at least one byte of data. */
struct sluice_channel_record {
	uint32_t bytes; /* of data that follow */
	uint32_t flags;
};

/* ---- the Unix socket ---- */

/* What the host says, once, to who connects; the client says nothing. With it come the three descriptors, if `status` is 0. */
struct sluice_channel_welcome {
	uint64_t magic;
	uint32_t version;
	int32_t status; /* 0 or a negative errno: EAGAIN, ECONNREFUSED */
	uint32_t slot;
	uint32_t slot_epoch;
};

enum sluice_channel_descriptor {
	SLUICE_CHANNEL_REGION,
	SLUICE_CHANNEL_DOORBELL, /* an eventfd: client to host */
	SLUICE_CHANNEL_CALL,	 /* an eventfd: host to client */
	SLUICE_CHANNEL_DESCRIPTORS,
};

/* ---- PCI ---- */

#define SLUICE_CHANNEL_PCI_VENDOR 0x1af4 /* ivshmem's */
#define SLUICE_CHANNEL_PCI_DEVICE 0x1110
#define SLUICE_CHANNEL_PCI_DOORBELL_OFFSET 12u /* in BAR 0 */

/* Epochs are never 0. */
static inline uint32_t sluice_channel_next_epoch(uint32_t epoch)
{
	return epoch + 1 ? epoch + 1 : 1;
}

/* ---- checked by the compiler ---- */

_Static_assert(sizeof(struct sluice_channel_layout) == 128, "part of the interface");
_Static_assert(sizeof(struct sluice_channel_header) == 384, "part of the interface");
_Static_assert(sizeof(struct sluice_channel_slot) == 768, "part of the interface");
_Static_assert(sizeof(struct sluice_channel_record) == 8, "part of the interface");
_Static_assert(sizeof(struct sluice_channel_welcome) == 24, "part of the interface");

#endif
