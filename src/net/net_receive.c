/*
 * What a guest receives: read from the tap, and copied into the guest's buffers.
 *
 * Theory of operation. The tap is a doorbell, too: it rings when a packet comes. Then some reads are
 * begun at once, each of which ends with a packet or with "there is none". Packets are delivered in
 * their order; one for which the guest has no buffers waits, keeps those that it has got, and keeps
 * others from being read: the tap's own queue fills up meanwhile, and the kernel drops what is too much.
 * So a guest without buffers costs nothing until it kicks. Kernels without RWF_NOWAIT for taps (before 6.4)
 * may let a read wait for a packet instead: then there is one at a time, and it is cancelled in the end.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/mman.h>

#include "base/container.h"
#include "base/counter.h"
#include "net/net_private.h"

#define MEMORY_BYTES ((size_t)NET_READS_PER_POLL * TAP_FRAME_BYTES_MAX)

static struct net_receive *receive_of(struct served_queue *served)
{
	return container_of(served, struct net_receive, served);
}

/* ---- delivering a packet ---- */

/* As much of a chain as the queue needs to give it back. */
static struct descriptor_chain chain_of(const struct net_filled *filled)
{
	struct descriptor_chain chain;

	chain.id = filled->id;
	chain.ring_slots = filled->ring_slots;
	chain.tracking_slot = 0;
	return chain;
}

static void begin_packet(struct net_receive *queue)
{
	queue->done_bytes = 0;
	queue->filled_count = 0;
	queue->lacks_buffers = false;
}

static void put_buffers_back(struct net_receive *queue)
{
	while (queue->filled_count) {
		struct descriptor_chain chain = chain_of(&queue->filled[--queue->filled_count]);

		virtqueue_unpop(&queue->served.virtqueue, &chain);
	}
	begin_packet(queue);
}

/* The byte of a chain's writable segments at `offset`; NULL if it has fewer. */
static uint8_t *byte_at(const struct descriptor_chain *chain, uint32_t offset)
{
	const struct iovec *segments = chain->segments + chain->readable_count;

	for (unsigned i = 0; i < chain->writable_count; i++) {
		if (offset < segments[i].iov_len)
			return (uint8_t *)segments[i].iov_base + offset;
		offset -= (uint32_t)segments[i].iov_len;
	}
	return NULL;
}

/* The header is in the first buffer, whole (5.1.6.3.1, 5.1.6.4). A legacy one has no count (5.1.6.1). */
static int find_header(struct net_receive *queue)
{
	const uint32_t offset = offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers);

	if (!byte_at(&queue->chain, queue->device->header_bytes - 1))
		return virtqueue_break(
			&queue->served.virtqueue, "a receive buffer has no room for the header");
	queue->buffer_count[0] = byte_at(&queue->chain, offset);
	queue->buffer_count[1] = byte_at(&queue->chain, offset + 1);
	return 0;
}

static uint32_t copy_to_guest(struct net_receive *queue, const uint8_t *from, uint32_t size_bytes)
{
	const struct descriptor_chain *chain = &queue->chain;
	const struct iovec *segments = chain->segments + chain->readable_count;
	uint32_t done_bytes = 0;

	for (unsigned i = 0; i < chain->writable_count && done_bytes < size_bytes; i++) {
		size_t part = segments[i].iov_len;

		if (part > size_bytes - done_bytes)
			part = size_bytes - done_bytes;
		memcpy(segments[i].iov_base, from + done_bytes, part);
		guest_memory_mark_dirty(queue->served.virtqueue.memory, segments[i].iov_base, part);
		done_bytes += (uint32_t)part;
	}
	return done_bytes;
}

/* Fill one more buffer. Returns 1, 0 if there is none, or a negative errno if the ring is broken. */
static int fill_buffer(struct net_receive *queue, const struct net_read *read)
{
	struct net_filled *filled = &queue->filled[queue->filled_count];
	int result = virtqueue_pop(&queue->served.virtqueue, &queue->chain);

	if (result <= 0)
		return result;
	*filled = (struct net_filled){.id = queue->chain.id, .ring_slots = queue->chain.ring_slots};
	queue->filled_count++;
	if (queue->filled_count == 1)
		result = find_header(queue);
	else if (!byte_at(&queue->chain, 0))
		result = virtqueue_break(
			&queue->served.virtqueue, "a receive buffer cannot be written");
	if (result < 0)
		return result;
	filled->size_bytes = copy_to_guest(
		queue, read->bytes + queue->done_bytes, (uint32_t)read->result - queue->done_bytes);
	queue->done_bytes += filled->size_bytes;
	return 1;
}

/* Two lone bytes: the field need not be aligned, nor in one piece. */
static void write_buffer_count(struct net_receive *queue)
{
	if (queue->device->header_bytes != sizeof(struct virtio_net_hdr_mrg_rxbuf))
		return;
	for (unsigned i = 0; i < 2; i++) {
		*queue->buffer_count[i] = (uint8_t)(queue->filled_count >> 8 * i);
		/* Once more: who migrates the guest may have copied the page since the packet was. */
		guest_memory_mark_dirty(queue->served.virtqueue.memory, queue->buffer_count[i], 1);
	}
}

/* All of a packet becomes visible at once. */
static void give_buffers(struct net_receive *queue)
{
	struct virtqueue *virtqueue = &queue->served.virtqueue;

	write_buffer_count(queue);
	if (virtqueue->batch_count + queue->filled_count > VIRTQUEUE_BATCH_MAX)
		virtqueue_publish(virtqueue);
	for (unsigned i = 0; i < queue->filled_count; i++) {
		struct descriptor_chain chain = chain_of(&queue->filled[i]);

		virtqueue_push(virtqueue, &chain, queue->filled[i].size_bytes);
	}
}

static bool has_room_for_more(const struct net_receive *queue)
{
	return queue->filled_count < (queue->device->is_mergeable ? NET_CHAINS_MAX : 1);
}

/* Returns 1 if the packet is delivered or dropped, 0 if it waits for buffers, -EPROTO for a broken ring. */
static int deliver_packet(struct net_receive *queue, const struct net_read *read)
{
	struct net_device *device = queue->device;
	struct net_pair *pair = &device->pairs[queue->pair];
	int result = 1;

	while (result > 0 && queue->done_bytes < (uint32_t)read->result && has_room_for_more(queue))
		result = fill_buffer(queue, read);
	queue->lacks_buffers = result == 0;
	if (result < 0)
		put_buffers_back(queue);
	if (result <= 0)
		return result;
	if (queue->done_bytes < (uint32_t)read->result) {
		counter_add(&device->receive_drops_too_large, 1);
		put_buffers_back(queue);
		return 1;
	}
	counter_add(&pair->receive_packets, 1);
	counter_add(&pair->receive_bytes, (uint32_t)read->result - device->header_bytes);
	give_buffers(queue);
	begin_packet(queue);
	return 1;
}

static int deliver_read(struct net_receive *queue, const struct net_read *read)
{
	if (read->result >= (int)(queue->device->header_bytes + ETH_HLEN))
		return deliver_packet(queue, read);
	/* There was no packet, or no tap; what is left over of a broken one is none, either. */
	if (read->result >= 0 || read->result == -EFAULT || read->result == -EINVAL)
		counter_add(&queue->device->receive_drops_malformed, 1);
	return 1;
}

/* Returns how many reads were dealt with; stops where the guest has no buffers, or has had enough. */
static unsigned deliver(struct net_receive *queue)
{
	uint64_t bytes = 0;
	unsigned count = 0;
	int result = 1;

	while (queue->delivered < queue->read_count && bytes < NET_BYTES_PER_POLL) {
		const struct net_read *read = &queue->reads[queue->delivered];

		if (!read->is_done)
			break;
		result = deliver_read(queue, read);
		if (result <= 0)
			break;
		bytes += read->result > 0 ? (uint64_t)read->result : 0;
		queue->delivered++;
		count++;
	}
	/* Memory that is lost has no buffers, either. */
	if (count || queue->lacks_buffers)
		net_check_memory(&queue->served);
	if (result < 0)
		served_queue_report(&queue->served);
	return count;
}

/* ---- reading ---- */

static void read_done(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct net_read *read = container_of(operation, struct net_read, operation);
	struct net_receive *queue = read->queue;

	read->result = result;
	read->is_done = true;
	queue->served.operations--;
	served_queue_wake(&queue->served);
	served_queue_try_to_stop(&queue->served);
}

static void begin_read(struct net_receive *queue, struct net_read *read)
{
	const struct tap *tap = &queue->device->tap;
	struct io_uring_sqe *entry;

	read->operation.complete = read_done;
	read->is_done = false;
	queue->served.operations++;
	entry = sidecore_prepare(queue->device->served.sidecore, &read->operation);
	io_uring_prep_read(entry, tap->fds[queue->pair], read->bytes, TAP_FRAME_BYTES_MAX, 0);
	entry->rw_flags = tap->io_flags;
}

/* Reads that wait for packets get them in any order, so there is but one. */
static unsigned reads_max(const struct net_receive *queue)
{
	return queue->device->tap.io_flags & RWF_NOWAIT ? NET_READS_PER_POLL : 1;
}

/* As many as there may be packets, and no more than may be moved in one poll if they are like the last. */
static void adapt_window(struct net_receive *queue)
{
	bool was_full = queue->read_count > 0;

	queue->largest_bytes = 1;
	for (unsigned i = 0; i < queue->read_count; i++) {
		const int result = queue->reads[i].result;

		was_full &= result > 0;
		if (result > 0 && (uint32_t)result > queue->largest_bytes)
			queue->largest_bytes = (uint32_t)result;
	}
	queue->is_readable |= was_full;
	queue->window = was_full ? 2 * queue->window : (queue->window + 1) / 2;
	if (queue->window > NET_BYTES_PER_POLL / queue->largest_bytes)
		queue->window = NET_BYTES_PER_POLL / queue->largest_bytes;
	if (queue->window > reads_max(queue))
		queue->window = reads_max(queue);
}

/* Returns how many reads were begun. */
static unsigned begin_reads(struct net_receive *queue)
{
	if (queue->delivered < queue->read_count)
		return 0;
	if (queue->read_count)
		adapt_window(queue);
	queue->read_count = queue->delivered = 0;
	if (!queue->is_readable || queue->served.virtqueue.broken)
		return 0;
	/* A packet that comes after the last of them rings again. */
	queue->is_readable = false;
	while (queue->read_count < queue->window)
		begin_read(queue, &queue->reads[queue->read_count++]);
	return queue->read_count;
}

/* ---- as a queue ---- */

static unsigned receive(struct served_queue *served, uint64_t now_ns)
{
	struct net_receive *queue = receive_of(served);
	unsigned count = deliver(queue);

	count += begin_reads(queue);
	return count + served_queue_give_back(served);
}

/* Who waits for packets needs no kicks; who waits for buffers needs nothing else. */
static bool arm_receive(struct served_queue *served)
{
	const struct net_receive *queue = receive_of(served);

	if (served->virtqueue.broken)
		return false;
	if (queue->lacks_buffers)
		return served_queue_arm(served);
	if (queue->read_count == 0)
		return queue->is_readable;
	/* A read that is under way wakes us when it is done. */
	return queue->delivered == queue->read_count || queue->reads[queue->delivered].is_done;
}

static void tap_rang(struct doorbell *doorbell)
{
	container_of(doorbell, struct net_receive, tap_doorbell)->is_readable = true;
}

static void start_receiving(struct served_queue *served)
{
	struct net_receive *queue = receive_of(served);
	const int fd = queue->device->tap.fds[queue->pair];

	queue->is_readable = true;
	if (fd == TAP_NO_FD)
		return;
	queue->tap_doorbell = (struct doorbell){
		.poller = &served->poller, .fd = fd, .is_hosts = true, .rang = tap_rang};
	served->operations++;
	sidecore_watch(served->device->sidecore, &queue->tap_doorbell);
}

static void tap_unwatched(struct doorbell *doorbell)
{
	struct net_receive *queue = container_of(doorbell, struct net_receive, tap_doorbell);

	queue->served.operations--;
	served_queue_try_to_stop(&queue->served);
}

static void stop_receiving(struct served_queue *served)
{
	struct net_receive *queue = receive_of(served);

	put_buffers_back(queue);
	for (unsigned i = 0; i < queue->read_count; i++)
		if (!queue->reads[i].is_done)
			sidecore_cancel(served->device->sidecore, &queue->reads[i].operation);
	if (queue->tap_doorbell.is_watched)
		sidecore_unwatch(&queue->tap_doorbell, tap_unwatched);
}

const struct served_queue_kind net_receive_kind = {
	.poll = receive,
	.arm = arm_receive,
	.started = start_receiving,
	.stopping = stop_receiving,
	.is_bulk = true,
};

/* ---- memory ---- */

/* Mapped, so that pages which only large packets need are there only after one. */
int net_receive_allocate(struct net_receive *queue)
{
	queue->memory = mmap(
		NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (queue->memory == MAP_FAILED)
		return -ENOMEM;
	for (unsigned i = 0; i < NET_READS_PER_POLL; i++) {
		queue->reads[i].queue = queue;
		queue->reads[i].bytes = queue->memory + (size_t)i * TAP_FRAME_BYTES_MAX;
	}
	queue->read_count = queue->delivered = 0;
	queue->window = 1;
	queue->tap_doorbell.is_watched = false;
	begin_packet(queue);
	return 0;
}

void net_receive_free(struct net_receive *queue)
{
	munmap(queue->memory, MEMORY_BYTES);
	queue->memory = NULL;
}
