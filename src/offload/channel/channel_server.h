/*
 * The host's end of a module channel (docs/module-channel.md, guest/channel/module_channel.h): a region of memory with
 * connections in it, served on a sidecore.
 *
 * Theory of operation. A server has one region and one way in. Either clients are processes that come over a Unix socket: each
 * connection is a socket, over which a client gets the region's memfd and its slot, and which says when it is gone. Or the region is a
 * file, which one VM has as the BAR of an ivshmem device; then its client claims slots by writing into them, and rings a doorbell that the
 * VM's machine has got for it over a socket of its own, as from an ivshmem server. A module that
 * has both kinds, or several VMs, has several servers, which may share a sidecore: clients of one region can read and spoil each
 * other's messages, and nobody else's.
 *
 * Each open connection is a poller of the sidecore. It puts a request together in private memory, gives it to the owner, and takes
 * no other before the owner has replied. Clients are hostile: a connection that breaks the protocol is closed, with a line in the log.
 * Accepting, logging and whatever else may wait is done by a control thread, which is the server's own.
 */
#ifndef SLUICE_OFFLOAD_CHANNEL_SERVER_H
#define SLUICE_OFFLOAD_CHANNEL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "sidecore/sidecore.h"

#define CHANNEL_CONNECTIONS_DEFAULT 64u
#define CHANNEL_REQUEST_RING_BYTES_DEFAULT (64u << 10)
#define CHANNEL_REPLY_RING_BYTES_DEFAULT (256u << 10)
#define CHANNEL_MESSAGE_BYTES_MAX_DEFAULT (64u << 20)
#define CHANNEL_MESSAGES_BYTES_MAX_DEFAULT (256u << 20)

struct channel_server;
struct channel_connection_server;

/* The machine that a region is in: its connection, and the eventfd that it rings; both -1: there is none. */
struct channel_machine {
	int socket, doorbell;
};

/* What the owner does; all on the sidecore, none may wait. */
struct channel_server_handlers {
	/*
	 * A client has connected; channel_connection_set_owner is a place for what is kept for it. Returns false to refuse it: then no
	 * other handler is called for it.
	 */
	bool (*connected)(struct channel_connection_server *connection, void *context);

	/*
	 * It asks for something. `data` is a private copy, 8-byte aligned, which holds until the reply, or until the connection is
	 * released. To be answered by channel_server_reply once, now or later.
	 */
	void (*request)(
		struct channel_connection_server *connection, const void *data, size_t bytes);

	/*
	 * The last reply is in the ring, its memory is the owner's again: called from within channel_server_reply, or later. Not
	 * called any more after `disconnected`.
	 */
	void (*replied)(struct channel_connection_server *connection);

	/*
	 * It has gone, or was closed. The reply that is being sent is dropped, the owner's memory is its own again; a request without
	 * a reply goes on being the owner's, and need not be replied to. The owner calls channel_server_release when it has let go of the
	 * connection, now or later; until then the connection stays in memory, and its slot is taken.
	 */
	void (*disconnected)(struct channel_connection_server *connection);
};

struct channel_server_config {
	const char *name; /* for the region's header and the log; copied */
	struct sidecore *sidecore;
	/* Of channel_server_listen, or -1. Owned by the caller, who closes it after channel_server_destroy. */
	int listen_fd;
	/* Of channel_region_open, or -1: a memfd is made. Owned by the caller. One of both is given. */
	int region_fd;
	/* With region_fd: of channel_server_listen_for_machine, or -1: the VM has no doorbell. Owned by the caller. */
	int machine_listen_fd;
	/* Of channel_server_share_machine of the region's earlier server: it goes on, and is told nothing. The server owns it from its start on. */
	struct channel_machine machine;
	uint32_t connections_max;
	uint32_t request_ring_bytes; /* a power of two, at least 4096 */
	uint32_t reply_ring_bytes;   /* likewise */
	uint32_t message_bytes_max;
	uint64_t
		messages_bytes_max; /* of memory for requests of all connections, beyond 64 KiB of each */
	const struct channel_server_handlers *handlers;
	void *context; /* for `connected` */
};

struct channel_server_counters {
	uint64_t connections; /* accepted, ever */
	uint64_t requests;
	uint64_t doorbells; /* rung by clients */
	uint64_t calls;	    /* sent to them */
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t broken; /* connections that broke the protocol */
};

/* ---- on a control thread ---- */

/* All defaults, without descriptors, sidecore and handlers. */
struct channel_server_config channel_server_config_default(void);

/*
 * Listen on a Unix socket (SOCK_SEQPACKET), readable and writable by owner and group. The file that a dead process has left
 * there is replaced. Returns the descriptor, owned by the caller, or as vhost_user_listen.
 */
int channel_server_listen(const char *path, struct error *error);

/*
 * Likewise (SOCK_STREAM), for the machine that a region is in, QEMU with an ivshmem-doorbell device or sluice-vm: it is told as an ivshmem
 * server does (QEMU's docs/specs/ivshmem-spec) where the memory is and what to ring.
 */
int channel_server_listen_for_machine(const char *path, struct error *error);

/* How large a region is that is configured so: a power of two, as a BAR is. */
size_t channel_region_bytes(const struct channel_server_config *config);

/*
 * Open the file of a VM's region, in a tmpfs (/dev/shm), making it if it is not there: of channel_region_bytes, and for its owner
 * and group. One that is there and has that size is used as it is: a running VM has it mapped.
 *
 * @is_new: set to whether it was made
 * Returns the descriptor, owned by the caller, or a negative errno; -EEXIST: it is there, with another size.
 */
int channel_region_open(const char *path, const struct channel_server_config *config, bool *is_new,
	struct error *error);

/*
 * Make a server, with all the memory that it will ever need: connections_max * message_bytes_max of address space, of which only
 * what is used is memory, and that is given back when a connection is idle. Nobody is served before channel_server_start.
 *
 * From then on it needs these system calls besides the sidecore's: ppoll, accept4, eventfd2, sendmsg, shutdown, close, madvise,
 * read, write, futex.
 *
 * Returns 0, or a negative errno with the reason in `error`.
 */
int channel_server_create(const struct channel_server_config *config,
	struct channel_server **server, struct error *error);

/* Start the control thread, and serve. Returns 0 or a negative errno. */
int channel_server_start(struct channel_server *server, struct error *error);

/*
 * Close all connections, wait until the owner has released them, and free the server. Clients find their connections reset; a machine that
 * was shared goes on. The sidecore must run still. NULL is ignored.
 */
void channel_server_destroy(struct channel_server *server);

/* Copies for whoever serves the region next, or -1, owned by the caller. They keep the connection open when this server ends. Any thread. */
struct channel_machine channel_server_share_machine(struct channel_server *server);

/* Any thread. */
void channel_server_counters(
	const struct channel_server *server, struct channel_server_counters *counters);

/* How many connections are open now. Any thread. */
unsigned channel_server_connection_count(const struct channel_server *server);

/* ---- on the sidecore ---- */

/*
 * Answer the request that the connection has given to the owner. `data` stays as it is until `replied`, or `disconnected`. More than
 * message_bytes_max closes the connection. After `disconnected` this does nothing.
 */
void channel_server_reply(
	struct channel_connection_server *connection, const void *data, size_t bytes);

/* End it; `disconnected` follows, from within this call. For the log: `reason`, which is not copied. */
void channel_server_hang_up(struct channel_connection_server *connection, const char *reason);

/* After `disconnected`: the owner has let go of the connection, which may be freed or another's when this returns. */
void channel_server_release(struct channel_connection_server *connection);

/* Whatever the owner likes; NULL at first. */
void channel_connection_set_owner(struct channel_connection_server *connection, void *owner);
void *channel_connection_owner(const struct channel_connection_server *connection);

/* Its slot: below connections_max, and no other's at the time. */
unsigned channel_connection_index(const struct channel_connection_server *connection);

#endif
