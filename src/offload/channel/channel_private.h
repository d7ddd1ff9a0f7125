/* What the files of this room share. */
#ifndef SLUICE_OFFLOAD_CHANNEL_PRIVATE_H
#define SLUICE_OFFLOAD_CHANNEL_PRIVATE_H

#include <pthread.h>

#include "base/log_source.h"
#include "channel/channel_bytes.h"
#include "offload/channel/channel_server.h"

#define CHANNEL_NO_FD (-1)
#define MESSAGE_BYTES_MAX (1u << 30)
/* As peers of an ivshmem server: the host, and the machine that the region is in. Not 0, which is a server's first word, and no doorbell. */
#define CHANNEL_PEER_HOST 1u
#define CHANNEL_PEER_MACHINE 2u
/* Of a message's memory, what an idle connection keeps. */
#define CHANNEL_IDLE_BYTES (64u << 10)

#define read_shared(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define read_shared_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define write_shared(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define write_shared_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

enum channel_connection_state {
	CHANNEL_FREE,
	CHANNEL_OPEN,
	CHANNEL_CLOSING,  /* the owner or the kernel has something of it yet */
	CHANNEL_FINISHED, /* to be freed, once its client has let go of it */
};

struct channel_connection_server {
	struct channel_server *server;
	unsigned index;
	void *owner;

	/* ---- the sidecore's ---- */

	struct sluice_channel_slot *slot;
	struct channel_bytes requests, replies; /* the rings */
	struct poller poller;
	struct doorbell doorbell;
	struct caller caller;
	uint32_t state; /* enum channel_connection_state; others may read it */
	uint32_t epoch;
	bool is_watched;  /* the sidecore still has the doorbell */
	bool is_released; /* by the owner */
	bool is_parked;

	/* The rings. Nothing of this is read back from the region. */
	uint32_t request_head;
	uint32_t reply_tail, reply_head; /* the latter as seen last */
	bool has_taken, has_replied;	 /* since the client was last called */

	uint8_t *message; /* where a request is put together: message_bytes_max of address space */
	size_t message_bytes;	      /* of it, so far */
	size_t message_bytes_touched; /* since memory was last given back; others may read it */
	bool is_trimming;	      /* the control thread gives memory back */
	bool was_used;		      /* since it last looked */
	bool is_owners_turn;	      /* it has a request */

	bool is_replying;
	const uint8_t *reply; /* the owner's */
	size_t reply_bytes, reply_sent;

	/* ---- the control thread's ---- */

	const char *trouble; /* to be logged; set by the sidecore */
	int socket;	     /* or CHANNEL_NO_FD */
	bool is_taken;	     /* by a Unix client; the descriptors are open */
	int doorbell_fd, call_fd;
};

/* ---- the region ---- */

struct channel_memory {
	uint8_t *memory;
	size_t bytes;
	int fd;
	bool is_own; /* fd */
	struct sluice_channel_layout layout;
};

/* Make or adopt the memory, and write its header. `host_epoch` is 0 then. Returns 0 or a negative errno. */
int channel_memory_prepare(struct channel_memory *region,
	const struct channel_server_config *config, struct error *error);
void channel_memory_drop(struct channel_memory *region);
struct sluice_channel_header *channel_memory_header(const struct channel_memory *region);
struct sluice_channel_slot *channel_memory_slot(
	const struct channel_memory *region, unsigned index);

/* ---- the server ---- */

struct channel_server {
	struct channel_server_config config;
	char name[SLUICE_CHANNEL_NAME_BYTES];
	struct channel_memory region;
	struct channel_connection_server *connections; /* config.connections_max of them */
	struct channel_server_counters counters;       /* written by the sidecore */
	uint32_t open_count;			       /* likewise: not free */

	/* The sidecore's. */
	uint32_t host_epoch; /* as shown */
	struct caller control_caller;
	int serve_result;

	/* Clients on PCI. */
	struct poller lobby;
	struct timer look_timer;
	uint32_t client_epoch, claims; /* as seen last */
	bool is_forgetting;	       /* the connections of an earlier client */
	bool has_finished;	       /* some connection */
	bool is_lobby_parked;
	struct doorbell doorbell;  /* of all of them */
	bool is_doorbell_watched;  /* the sidecore still has it; others may read it */
	bool is_rung;		   /* and nobody has looked yet for whom */
	size_t message_bytes_held; /* by all connections, beyond what an idle one keeps */
	bool does_ring; /* the client that is here has rung it, through the machine that is here */

	/* The control thread's. */
	pthread_t thread;
	bool is_started;
	int wake_fd; /* rung by `control_caller`, and to stop */
	struct channel_machine machine;
	pthread_mutex_t machine_lock; /* of changing it, and of looking at it from elsewhere */
	uint32_t stop;		      /* read by the thread */
	struct log_source log;
	char log_name[SLUICE_CHANNEL_NAME_BYTES + 16];
};

static inline bool channel_is_pci(const struct channel_server *server)
{
	return server->config.listen_fd < 0;
}

/* ---- on the sidecore ---- */

/* Serve from now on, and no more: `argument` is the server. */
void channel_serve(void *argument);
void channel_stop_serving(void *argument);

/* Wake the control thread. */
void channel_wake_control(struct channel_server *server);

/*
 * Open a connection that is free, under `epoch`, with these eventfds or without.
 * Returns false if the owner refuses it; then it is finished.
 */
bool channel_connection_open(
	struct channel_connection_server *connection, uint32_t epoch, int doorbell_fd, int call_fd);

/* The control thread has given its memory back. */
void channel_connection_trimmed(struct channel_connection_server *connection);

/* Begin to close it; `trouble` is for the log, or NULL. Nothing happens if it is not open. */
void channel_connection_close(struct channel_connection_server *connection, const char *trouble);

/* One that is finished is free; show the client so. */
void channel_connection_free(struct channel_connection_server *connection);

/* Look at one that is parked, where no doorbell comes. */
void channel_connection_look(struct channel_connection_server *connection);

/* Is a doorbell, or a look, of any use to it? */
bool channel_connection_has_work(struct channel_connection_server *connection);

/* Claims of slots by clients on PCI. */
int channel_lobby_open(struct channel_server *server);
void channel_lobby_close(struct channel_server *server);

/* A machine has come that can ring this eventfd; it has gone, or is to. `argument`: the server. */
void channel_lobby_set_doorbell(void *argument);
void channel_lobby_drop_doorbell(void *argument);

/* One of its connections has finished. */
void channel_lobby_finished(struct channel_server *server);

/* Show clients another epoch: connections are over, and the next ones can come; or 0: none can. */
void channel_show_new_epoch(struct channel_server *server);
void channel_hide(struct channel_server *server);

/* Is no connection open or closing? Any thread. */
bool channel_is_over(const struct channel_server *server);

/* ---- the rings; on the sidecore ---- */

/* Take what is there, up to a request for the owner. Returns how much was done. */
unsigned channel_take(struct channel_connection_server *connection);

/* Send as much of the reply as there is room for, within bounds. Returns how much was done. */
unsigned channel_give(struct channel_connection_server *connection);

/* Is there something to take, or room for what waits? */
bool channel_can_take(struct channel_connection_server *connection);
bool channel_can_give(struct channel_connection_server *connection);

/* ---- the control thread ---- */

int channel_control_start(struct channel_server *server, struct error *error);

/* Returns when all connections are over and the thread has ended. */
void channel_control_stop(struct channel_server *server);

#endif
