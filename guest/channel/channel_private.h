/* What the files of the client's library share. */
#ifndef SLUICE_GUEST_CHANNEL_PRIVATE_H
#define SLUICE_GUEST_CHANNEL_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "channel_bytes.h"
#include "channel_client.h"

#define CHANNEL_NO_FD (-1)
#define CHANNEL_POLL_NS_MAX 50000u
#define CHANNEL_TRUST_MAX 16u

#define read_shared(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define read_shared_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define write_shared(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define write_shared_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/* Where to say what is wrong; `text` may be NULL. */
struct channel_message {
	char *text;
	size_t bytes;
};

/* Fill in the message and hand back `code`. */
int channel_fail(const struct channel_message *message, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- a region that is mapped ---- */

struct channel_region {
	uint8_t *memory;
	size_t bytes;			     /* mapped */
	struct sluice_channel_layout layout; /* a copy, checked */
	dev_t device;			     /* with `inode`: which file it is */
	ino_t inode;
	unsigned users; /* under the channel's lock */
};

/*
 * Map the region in `fd`, which is not needed any more then.
 * Returns 0; -EPROTONOSUPPORT: of another version; -ECONNREFUSED: no host has prepared it yet; -EPROTO: it makes no sense.
 */
int channel_region_map(
	struct channel_region *region, int fd, const struct channel_message *message);
void channel_region_unmap(struct channel_region *region);

struct sluice_channel_header *channel_region_header(const struct channel_region *region);
struct sluice_channel_slot *channel_region_slot(
	const struct channel_region *region, uint32_t index);

/* ---- channels and connections ---- */

/* A message of the host's, whole or growing. */
struct channel_reply {
	STAILQ_ENTRY(channel_reply) link;
	size_t bytes;
	size_t capacity;
	_Alignas(8) uint8_t data[];
};

STAILQ_HEAD(channel_reply_list, channel_reply);

struct channel_connection {
	TAILQ_ENTRY(channel_connection) link;
	struct channel *channel;
	struct channel_region *region;
	struct sluice_channel_header *header;
	struct sluice_channel_slot *slot;
	struct channel_bytes requests, answers; /* the rings */
	uint32_t slot_index;

	/* What it had when the connection was made: another one, and it is reset. */
	uint32_t host_epoch, slot_epoch;
	bool is_broken; /* the host has broken the protocol */

	/* Unix: or CHANNEL_NO_FD. */
	int socket, doorbell, call;

	/* The rings, as they were seen last. */
	uint32_t request_tail, request_head;
	uint32_t reply_head, reply_tail;

	struct channel_reply_list received; /* whole, not handed out yet */
	struct channel_reply *partial;
	struct channel_reply *current; /* handed out */
	struct channel_reply *spare;
	uint64_t received_count;
	uint64_t unanswered; /* requests sent whose answer has not been handed out */

	bool is_delayed; /* the answer that is waited for will take long */
	bool is_unheard; /* requests were posted, and nobody was woken for them */
	uint64_t poll_ns_max;
	uint32_t trust;			  /* in polling, up to CHANNEL_TRUST_MAX */
	uint32_t waits_untried;		  /* without a poll, since there is none */
	struct channel_counters counters; /* others may read them */
};

TAILQ_HEAD(channel_connection_list, channel_connection);

/* How a process comes to connections. */
struct channel_transport {
	bool is_from_guest; /* the host has CPUs of its own */
	/* Fill in region, slot and descriptors. */
	int (*connect)(struct channel *channel, struct channel_connection *connection);
	void (*disconnect)(struct channel *channel, struct channel_connection *connection);
	/* Returns false if there is none; then the host looks by itself. */
	bool (*ring_doorbell)(struct channel_connection *connection);
	/* Until called, or a while; `nap` counts from 0. `sleeps` has been published. Returns false if the host is gone. */
	bool (*sleep)(struct channel_connection *connection, unsigned nap);
	void (*close)(struct channel *channel);
};

struct channel {
	const struct channel_transport *transport;
	size_t message_bytes_max;

	pthread_mutex_t lock; /* of what follows */
	struct channel_connection_list connections;
	struct channel_counters ended; /* of connections that have ended */

	/* Unix. */
	char path[108];
	struct channel_region *newest; /* or NULL */

	/* PCI. */
	struct channel_region device;
	int device_fd; /* locked */
	uint32_t client_epoch;
	void *registers_page;	     /* or NULL */
	volatile uint32_t *doorbell; /* the register in it */
	uint8_t *taken;		     /* a byte per slot: this process has it */
};

/* Set up what does not depend on the transport. Returns NULL if there is no memory. */
struct channel *channel_new(const struct channel_transport *transport);
void channel_free(struct channel *channel);

int channel_unix_open(
	struct channel **channel, const char *path, const struct channel_message *message);

/* @root: of the devices, /sys/bus/pci/devices but for tests; @address: or NULL, for the first one */
int channel_pci_open(struct channel **channel, const char *root, const char *address,
	const struct channel_message *message);

/* ---- waiting ---- */

/* What is known of the CPU of a thread that waits; see channel_cpu.c. */
struct channel_cpu {
	bool is_shared; /* others wanted it, when that was last looked at */
	bool is_known;	/* what follows */
	uint64_t delay_ns;
	uint32_t waits;
};

/* To be called before a wait, by the thread that waits: do others want its CPU? */
bool channel_cpu_is_shared(void);

struct channel_cpu *channel_cpu_of_thread(void);

/* @delay_ns: how long the thread has been ready without running, in its life */
void channel_cpu_learn(struct channel_cpu *cpu, uint64_t delay_ns);

/* ---- rings ---- */

/* Is there a record to take? What is not possible makes the connection broken, and is no record. */
bool channel_has_record(struct channel_connection *connection);

/* Take a record that is there. Returns 0, -ECONNRESET or -ENOMEM. */
int channel_take_record(struct channel_connection *connection);

/* Is there room for a record with so many bytes? */
bool channel_has_room(struct channel_connection *connection, uint32_t bytes);

/* Wait until there is a record or, with room_bytes > 0, room for that many. Returns 0 or -ECONNRESET. */
int channel_wait(struct channel_connection *connection, uint32_t room_bytes);

/* Wake the host, which an index was shown to, if it sleeps for that reason. */
void channel_wake(struct channel_connection *connection, uint32_t reason);

/* Show the host one more index, and wake it. */
void channel_show(
	struct channel_connection *connection, uint32_t *index, uint32_t position, uint32_t reason);

/* A counter that one thread writes. */
static inline void channel_count(uint64_t *counter, uint64_t amount)
{
	write_shared(*counter, *counter + amount);
}

#endif
