/*
 * The module's side of a gate (disk/gate_protocol.h): asks sluiced for leave to do I/O. Any thread, and signal handlers; no
 * allocation, no lock.
 *
 * Theory of operation. An I/O claims any free slot. Its thread looks for a while whether it has leave, since on an idle device
 * that is there within microseconds, and then sleeps on the slot's eventfd. If sluiced has died nobody will answer: this process has
 * seconds left to close its files in order, and goes on without leave.
 */
#ifndef SLUICE_OFFLOAD_GATE_GATE_CLIENT_H
#define SLUICE_OFFLOAD_GATE_GATE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "disk/gate_protocol.h"

struct gate_client {
	struct gate_region *region;
	int doorbell;
	int wake[GATE_SLOTS];
	pid_t server;	/* the parent, while it lives */
	unsigned spins; /* looks before it sleeps; 0 where there is one CPU */
	uint32_t is_deserted;
};

/*
 * Attach to a gate. The descriptors are the client's if that succeeds.
 *
 * @wake: of GATE_SLOTS
 * Returns 0, or a negative errno with `error` set: -EPROTO if that is no gate of this version.
 */
int gate_client_open(
	struct gate_client *client, int region, int doorbell, const int *wake, struct error *error);

/* No thread asks any more. */
void gate_client_close(struct gate_client *client);

#define GATE_NO_SLOT (-1)

/*
 * Wait for leave for one I/O; what is larger than the region's limits counts as large as they are.
 *
 * Returns the slot, for gate_client_end; or GATE_NO_SLOT, if nobody is there to ask: then the I/O may go ahead.
 */
int gate_client_ask(
	struct gate_client *client, enum gate_kind kind, bool is_sequential, uint64_t bytes);

/* The I/O is done, or has failed. */
void gate_client_end(struct gate_client *client, int slot);

#endif
