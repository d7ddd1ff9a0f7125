/*
 * A module's client: requests to a module that runs on the host, and its answers, through shared memory.
 *
 * Theory of operation. A channel is one region of memory, mapped once per process; docs/module-channel.md and
 * module_channel.h say what is in it. A connection is one conversation in it, of one thread at a time; what the module keeps
 * for it (a transaction) is the connection's and ends with it. Requests are answered in their order. A client polls for an
 * answer for a while that adapts, then sleeps until it is notified.
 *
 * In a guest the region is the BAR of a PCI device, mapped through sysfs by one process at a time; on a host or in a container it
 * is a memfd that comes over a Unix socket, for any number of processes. Everything here may be used from C++.
 */
#ifndef SLUICE_GUEST_CHANNEL_CLIENT_H
#define SLUICE_GUEST_CHANNEL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct channel;
struct channel_connection;

struct channel_counters {
	uint64_t requests; /* messages sent */
	uint64_t
		doorbells; /* rung at the host, because it slept; in a guest, each of these is an exit */
	uint64_t sleeps; /* times that a client stopped polling and slept */
	uint64_t bytes_sent;
	uint64_t bytes_received;
};

/*
 * Map a channel.
 *
 * @where: "unix:/path/of/socket", "pci:0000:00:05.0", or "pci", for the first device that is a module channel
 * @message: of `message_bytes`; on failure, what is wrong with what, and the mend
 *
 * Returns 0, or a negative errno: -EBUSY: another process has the device; -EPROTONOSUPPORT: another version.
 */
int channel_open(const char *where, struct channel **channel, char *message, size_t message_bytes);

/* There may be no connection any more. */
void channel_close(struct channel *channel);

/* Of all its connections, those that have ended included. Any thread. */
void channel_counters(struct channel *channel, struct channel_counters *counters);

/* The most bytes that a message may have, either way. */
size_t channel_message_bytes_max(const struct channel *channel);

/*
 * Begin a conversation. Any thread.
 *
 * Returns 0, or a negative errno: -EAGAIN: as many as the region has room for are in use; -ECONNREFUSED: the host does not serve the
 * region now (it may later).
 */
int channel_connect(struct channel *channel, struct channel_connection **connection);

/* Has the host forgotten this connection, or is it known to be broken? Asks nothing: it is told by what lies in the region. */
bool channel_is_lost(const struct channel_connection *connection);

/* End it; what the module kept for it is given up. NULL is ignored. */
void channel_disconnect(struct channel_connection *connection);

/*
 * Send a request and wait for its answer: channel_send and channel_receive.
 */
int channel_call(struct channel_connection *connection, const struct iovec *parts, unsigned count,
	const void **reply, size_t *reply_bytes);

/*
 * Send a request that consists of `count` parts, one after the other. It waits while the ring has no room, and keeps receiving
 * meanwhile, so that neither side waits for the other.
 *
 * Returns 0, or a negative errno: -EMSGSIZE: more than channel_message_bytes_max; -ECONNRESET: the host has forgotten this
 * connection, with all that it kept for it (a module that ended, a channel taken over): disconnect, and connect anew.
 */
int channel_send(struct channel_connection *connection, const struct iovec *parts, unsigned count);

/*
 * As channel_send, for a request whose answer is wanted later: a host that sleeps is woken with the next one that is sent, or when an answer
 * is waited for.
 */
int channel_post(struct channel_connection *connection, const struct iovec *parts, unsigned count);

/*
 * The answer that is received next takes as long as a device does: who waits for it sleeps at once, and polls for others as long as before.
 */
void channel_expect_delay(struct channel_connection *connection);

/*
 * Wait for the answer to the oldest request without one. `*reply` is 8-byte aligned and holds until the next call with this connection.
 * Returns 0, or as channel_send.
 */
int channel_receive(struct channel_connection *connection, const void **reply, size_t *reply_bytes);

#ifdef __cplusplus
}
#endif
#endif
