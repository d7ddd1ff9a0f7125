/* What a guest transmits: popped, written to the tap from the guest's memory, given back. */
#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/counter.h"
#include "net/net_private.h"

/* ---- giving back ---- */

static void count_result(
	const struct net_transmit *queue, const struct net_packet *packet, int result)
{
	struct net_device *device = queue->device;
	struct net_pair *pair = &device->pairs[queue->pair];

	if (result >= 0) {
		counter_add(&pair->transmit_packets, 1);
		counter_add(&pair->transmit_bytes, packet->size_bytes - device->header_bytes);
	} else if (result == -EINVAL) {
		counter_add(&device->transmit_drops_malformed, 1);
	} else if (result == -EIO || result == -EBADFD || result == -EBADF) {
		counter_add(&device->transmit_drops_link, 1);
	} else {
		counter_add(&device->transmit_drops_refused, 1);
	}
}

static void finish(struct net_transmit *queue, struct net_packet *packet, int result)
{
	count_result(queue, packet, result);
	virtqueue_push(&queue->served.virtqueue, &packet->chain, 0);
	packet->next_free = queue->free_packets;
	queue->free_packets = packet;
}

static void written(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct net_packet *packet = container_of(operation, struct net_packet, operation);
	struct net_transmit *queue = packet->queue;

	finish(queue, packet, result);
	served_queue_wake(&queue->served);
	if (queue->served.is_stopping) {
		served_queue_give_back(&queue->served);
		served_queue_try_to_stop(&queue->served);
	}
}

/* ---- popping ---- */

static uint64_t readable_bytes(const struct descriptor_chain *chain)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < chain->readable_count; i++)
		bytes += chain->segments[i].iov_len;
	return bytes;
}

/* The header itself is checked by the kernel, which reads it once. */
static bool has_packet_size(const struct net_device *device, uint64_t size_bytes)
{
	return size_bytes >= device->header_bytes + ETH_HLEN && size_bytes <= TAP_FRAME_BYTES_MAX;
}

static void write_to_tap(struct net_transmit *queue, struct net_packet *packet)
{
	const struct tap *tap = &queue->device->tap;
	const struct descriptor_chain *chain = &packet->chain;
	struct io_uring_sqe *entry;

	packet->operation.complete = written;
	entry = sidecore_prepare(queue->device->served.sidecore, &packet->operation);
	if (chain->readable_count == 1)
		io_uring_prep_write(entry, tap->fds[queue->pair], chain->segments[0].iov_base,
			(unsigned)chain->segments[0].iov_len, 0);
	else
		io_uring_prep_writev(
			entry, tap->fds[queue->pair], chain->segments, chain->readable_count, 0);
	entry->rw_flags = tap->io_flags;
}

/* Returns 1 with the packet's size, 0 if there is nothing to pop, or a negative errno if the ring is broken. */
static int transmit_one(struct net_transmit *queue, uint64_t *size_bytes)
{
	struct net_packet *packet = queue->free_packets;
	int result;

	if (!packet)
		return 0;
	result = virtqueue_pop(&queue->served.virtqueue, &packet->chain);
	if (result <= 0)
		return result;
	queue->free_packets = packet->next_free;
	packet->size_bytes = readable_bytes(&packet->chain);
	*size_bytes = packet->size_bytes;
	if (has_packet_size(queue->device, packet->size_bytes))
		write_to_tap(queue, packet);
	else
		finish(queue, packet, -EINVAL);
	return 1;
}

static unsigned transmit(struct served_queue *served, uint64_t now_ns)
{
	struct net_transmit *queue = container_of(served, struct net_transmit, served);
	uint64_t bytes = 0, size_bytes = 0;
	unsigned count = 0;
	int result = 1;

	while (count < NET_TRANSMITS_PER_POLL && bytes < NET_BYTES_PER_POLL) {
		result = transmit_one(queue, &size_bytes);
		if (result <= 0)
			break;
		bytes += size_bytes;
		count++;
	}
	if (count)
		net_check_memory(served);
	if (result < 0)
		served_queue_report(served);
	return count + served_queue_give_back(served);
}

const struct served_queue_kind net_transmit_kind = {.poll = transmit, .is_bulk = true};

/* ---- memory ---- */

int net_transmit_allocate(struct net_transmit *queue)
{
	queue->packets = calloc(NET_TRANSMITS_PER_POLL, sizeof *queue->packets);
	if (!queue->packets)
		return -ENOMEM;
	queue->free_packets = NULL;
	for (unsigned i = NET_TRANSMITS_PER_POLL; i-- > 0;) {
		queue->packets[i].queue = queue;
		queue->packets[i].next_free = queue->free_packets;
		queue->free_packets = &queue->packets[i];
	}
	return 0;
}

void net_transmit_free(struct net_transmit *queue)
{
	free(queue->packets);
	queue->packets = NULL;
}
