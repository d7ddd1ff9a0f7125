/*
 * A connection to an ivshmem server, as the device's end of it (QEMU's docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol"):
 * what a module of sluiced serves a VM's memory by. There is one other peer, which is that module's host.
 */
#ifndef SLUICE_VMM_PCI_IVSHMEM_LINK_H
#define SLUICE_VMM_PCI_IVSHMEM_LINK_H

#include <stdint.h>

#include "base/error.h"

struct ivshmem_link {
	int socket; /* -1: not connected; so with the others */
	int memory_fd;
	int doorbell_fd; /* an eventfd: the other peer's first */
	uint16_t number; /* this device's, as a peer */
};

/* An unconnected one. */
struct ivshmem_link ivshmem_link_none(void);

/*
 * Connect, and hear all that there is to know; it takes two seconds at most.
 *
 * @link: receives it; the descriptors are the caller's
 * Returns 0; -ENOENT or -ECONNREFUSED: nobody listens; -EBUSY: the memory is another VM's now; -EPROTO: that is no ivshmem server, or none of a
 * module's; other negative errnos.
 */
int ivshmem_link_connect(struct ivshmem_link *link, const char *path, struct error *error);

/* The same, with a socket that is connected, which is the link's then. For tests. */
int ivshmem_link_begin(struct ivshmem_link *link, int socket, struct error *error);

/* Close what is open. */
void ivshmem_link_close(struct ivshmem_link *link);

#endif
