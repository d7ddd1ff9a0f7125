/*
 * The control queue of a NIC (virtio 1.2, 5.1.6.5). It is the front end's to serve: vhost-user back ends know of
 * receive and transmit queues alone.
 *
 * Theory of operation. Its owner takes a command, does what it says (that is, has as many pairs of queues served as
 * it now wants), and answers; one at a time, so that the driver finds done what it is told is done. The only
 * command is the number of pairs (5.1.6.5.5); others, and those that make no sense, are answered with an error. A
 * driver that begins has one pair, until it says otherwise.
 *
 * The driver is hostile: of a command no more than the longest has is copied, once, and what it answers into are
 * checked pointers of the chain. A command that cannot be answered breaks the queue.
 */
#ifndef SLUICE_VMM_PCI_NET_CONTROL_H
#define SLUICE_VMM_PCI_NET_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/descriptor_chain.h"
#include "virtio/guest_memory.h"
#include "virtio/virtqueue.h"
#include "vmm/pci/virtio_pci.h"
#include "vmm/vm_memory.h"

struct net_control {
	bool is_attached;    /* the driver has a control queue */
	unsigned index;	     /* which queue that is */
	int kick_fd;	     /* its doorbell's */
	unsigned pair_count; /* that the driver wants served, from the first on */

	unsigned pair_count_max; /* that it may say; 0: none */
	struct guest_memory memory;
	struct virtqueue queue;
	struct descriptor_chain chain; /* the command that is not answered yet */
	uint8_t acknowledgement;
};

struct net_control_setup {
	uint64_t features;	 /* that the driver has accepted */
	unsigned pair_count_max; /* as offered: with VIRTIO_NET_F_MQ it may have so many */
	const struct virtio_pci_ring *rings;
	const struct vm_memory *memory; /* outlives the queue's use */
};

/* Where the control queue is (5.1.2), which is also how many queues are the back end's. */
unsigned net_control_index(uint64_t features, unsigned pair_count_max);

/*
 * A driver begins; what the one before has said is forgotten.
 *
 * Returns 0, with or without a queue, as the driver has it; -EINVAL as virtqueue_attach.
 */
int net_control_begin(
	struct net_control *control, const struct net_control_setup *setup, struct error *error);

/*
 * Take a command; `pair_count` may be another now. Returns 1, to be answered; 0 if there is none; -EPROTO if the
 * queue is broken (queue.broken says why).
 */
int net_control_take(struct net_control *control);
void net_control_answer(struct net_control *control);

/* Ask for kicks. Returns true if there are commands already: then nobody may kick. */
bool net_control_wait(struct net_control *control);

/* Is the driver to be interrupted for what was answered since this was last asked? */
bool net_control_needs_call(struct net_control *control);

#endif
