/*
 * The exit ring: how a guest under `sluice vm` asks its hypervisor for something without leaving guest mode.
 * This is the whole interface, for guests and for the hypervisor; docs/exit-ring.md explains it. It needs
 * nothing but a compiler, and may be copied into a guest's own source.
 *
 * Each vCPU has a ring in memory that it shares with a core of the hypervisor. The guest puts requests in
 * and advances `request_tail`; the server takes them in order, advances `request_head`, and answers those
 * that are not asynchronous, in order, by completions. Indices run freely through 32 bits; an entry's place
 * is its index modulo SLUICE_EXIT_RING_ENTRIES. All numbers are little-endian.
 */
#ifndef SLUICE_EXIT_RING_H
#define SLUICE_EXIT_RING_H

#include <stdint.h>

/* ---- discovery ---- */

/* eax: the last leaf there is; ebx, ecx, edx: the signature. */
#define SLUICE_CPUID_BASE 0x40000100u
#define SLUICE_CPUID_SIGNATURE "SluiceSluice"
/*
 * eax: SLUICE_EXIT_RING_VERSION, or 0 if there are no rings; ebx: guest-physical address of vCPU 0's;
 * ecx: bytes from one to the next; edx: how many there are. vCPU n, by its APIC ID, has the nth.
 */
#define SLUICE_CPUID_EXIT_RINGS 0x40000101u

#define SLUICE_EXIT_RING_VERSION 1u

/* A port. Written with the number of a ring, 4 bytes, it wakes that ring's server. */
#define SLUICE_EXIT_RING_PORT_DOORBELL 0x610u

/* ---- requests and completions ---- */

#define SLUICE_EXIT_RING_ENTRIES 128u /* of each kind */
#define SLUICE_EXIT_RING_STRIDE_BYTES 16384u

enum sluice_exit_operation {
	/* Nothing: to measure, or to know that all before it is done. */
	SLUICE_EXIT_NOTHING,
	/* What the instructions of that kind would have done; size_bytes is 1, 2, 4, or, for memory, 8. */
	SLUICE_EXIT_PORT_READ,
	SLUICE_EXIT_PORT_WRITE,
	SLUICE_EXIT_MEMORY_READ,
	SLUICE_EXIT_MEMORY_WRITE,
	/*
	 * Send size_bytes (1 to SLUICE_EXIT_CONSOLE_BYTES_MAX) of the guest's memory from `address` to the
	 * serial port. The completion's value says how many it took: fewer while a slow terminal is behind.
	 */
	SLUICE_EXIT_CONSOLE_WRITE,
	/*
	 * From now on interrupt by an MSI message: `address`, and data `value` (as PCI devices would send
	 * it). Address 0: by none. When, is up to `completion_event`.
	 */
	SLUICE_EXIT_SET_INTERRUPT,
	SLUICE_EXIT_OPERATION_COUNT,
};

#define SLUICE_EXIT_CONSOLE_BYTES_MAX 256u

/* A flag: there is to be no completion. All other flags must be 0. */
#define SLUICE_EXIT_ASYNCHRONOUS 1u

struct sluice_exit_request {
	uint16_t operation; /* enum sluice_exit_operation */
	uint16_t flags;
	uint32_t size_bytes;
	uint64_t cookie; /* comes back with the completion */
	uint64_t address;
	uint64_t value; /* to write */
};

/* What has become of a request; one that is refused has no effect. */
enum sluice_exit_status {
	SLUICE_EXIT_DONE,
	SLUICE_EXIT_NO_SUCH_OPERATION,
	SLUICE_EXIT_BAD_FLAGS,
	SLUICE_EXIT_BAD_SIZE,
	SLUICE_EXIT_BAD_ADDRESS,
	SLUICE_EXIT_FAILED, /* the hypervisor could not do it */
};

struct sluice_exit_completion {
	uint64_t cookie;
	uint64_t value;	 /* read */
	uint32_t status; /* enum sluice_exit_status */
	uint32_t reserved[3];
};

/* ---- the ring ---- */

/* Why a ring is not served any more, until the machine is reset. */
enum sluice_exit_ring_state {
	SLUICE_EXIT_RING_SERVED,
	/* request_tail is more than SLUICE_EXIT_RING_ENTRIES ahead of request_head. */
	SLUICE_EXIT_RING_BAD_REQUEST_INDEX,
	/* completion_head is not between completion_tail and SLUICE_EXIT_RING_ENTRIES before it. */
	SLUICE_EXIT_RING_BAD_COMPLETION_INDEX,
	/* More synchronous requests than completions there is room for. */
	SLUICE_EXIT_RING_NO_COMPLETION_LEFT,
};

/* What the guest alone writes. */
struct sluice_exit_ring_guest {
	uint32_t request_tail;	   /* the next request that it will put in */
	uint32_t completion_head;  /* the next completion that it will take */
	uint32_t completion_event; /* interrupt when completion_tail passes this index */
};

/* What the server alone writes. */
struct sluice_exit_ring_server {
	uint32_t request_head;	  /* the next request that it will take */
	uint32_t completion_tail; /* the next completion that it will put in */
	uint32_t request_event;	  /* ring the doorbell when request_tail passes this index */
	uint32_t state;		  /* enum sluice_exit_ring_state */
};

/* Lines are 128 bytes apart: processors fetch pairs of them. */
struct sluice_exit_ring {
	_Alignas(128) struct sluice_exit_ring_guest guest;
	_Alignas(128) struct sluice_exit_ring_server server;
	_Alignas(128) struct sluice_exit_request requests[SLUICE_EXIT_RING_ENTRIES];
	_Alignas(128) struct sluice_exit_completion completions[SLUICE_EXIT_RING_ENTRIES];
};

_Static_assert(sizeof(struct sluice_exit_request) == 32, "part of the interface");
_Static_assert(sizeof(struct sluice_exit_completion) == 32, "part of the interface");
_Static_assert(sizeof(struct sluice_exit_ring) <= SLUICE_EXIT_RING_STRIDE_BYTES, "one fits");

/* Does an index that moves from `from` to `to` pass `event`? (As in virtio 1.2, 2.7.7.1.) */
static inline int sluice_exit_ring_is_due(uint32_t event, uint32_t to, uint32_t from)
{
	return to - event - 1 < to - from;
}

/* An event that an index of `now` does not pass for as long as possible: "do not notify". */
static inline uint32_t sluice_exit_ring_no_event(uint32_t now)
{
	return now + 0x80000000u;
}

#endif
