/* A packet on a Unix socket, and descriptors that go with it (unix(7), SCM_RIGHTS). */
#ifndef SLUICE_BASE_PACKET_H
#define SLUICE_BASE_PACKET_H

#include <stddef.h>
#include <sys/types.h>

#define PACKET_DESCRIPTORS_MAX 253u /* of the kernel: SCM_MAX_FD */

/*
 * Send it, with `count` descriptors, which stay the caller's.
 *
 * @flags: of sendmsg(2), but for MSG_NOSIGNAL, which is always there
 * Returns 0, or a negative errno; -EMSGSIZE if a stream has taken part of it.
 */
int packet_send(
	int socket, const void *data, size_t bytes, int flags, const int *fds, size_t count);

struct packet_descriptors {
	int *fds;
	size_t capacity;
	size_t count; /* that have come: the caller's from then on, closed on exec */
};

/*
 * Take one. Descriptors beyond `capacity` are closed, and all that come with a packet that is empty or longer than `bytes`.
 *
 * @flags: of recvmsg(2)
 * Returns the bytes of the packet, which may be more than `bytes`, 0 at the connection's end, or a negative errno.
 */
ssize_t packet_receive(
	int socket, void *data, size_t bytes, int flags, struct packet_descriptors *descriptors);

/* Close some, or none. */
void packet_close_descriptors(const int *fds, size_t count);

#endif
