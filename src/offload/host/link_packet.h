/* A packet on the link between sluiced and a module's process (module_link.h), and descriptors that go with it. */
#ifndef SLUICE_OFFLOAD_HOST_LINK_PACKET_H
#define SLUICE_OFFLOAD_HOST_LINK_PACKET_H

#include <stddef.h>
#include <sys/types.h>

#define LINK_DESCRIPTORS_MAX 253u /* of the kernel: SCM_MAX_FD */

/* Send it, with `count` descriptors, which stay the caller's. Returns 0 or a negative errno. */
int link_packet_send(int link, const void *data, size_t bytes, const int *fds, size_t count);

struct link_descriptors {
	int *fds;
	size_t capacity;
	size_t count; /* that have come: the caller's from then on, closed on exec */
};

/*
 * Take one. Descriptors beyond `capacity` are closed, and all that come with a packet that is empty or longer than `bytes`.
 *
 * @flags: of recvmsg(2)
 * Returns the bytes of the packet, which may be more than `bytes`, 0 at the link's end, or a negative errno.
 */
ssize_t link_packet_receive(
	int link, void *data, size_t bytes, int flags, struct link_descriptors *descriptors);

/* Close some, or none. */
void link_close_descriptors(const int *fds, size_t count);

#endif
