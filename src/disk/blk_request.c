#include "disk/blk_request.h"

#include <errno.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "disk/disk_private.h"

/* ---- finishing ---- */

/* Writes that the driver may rely on must be in its memory before the chain is given back. */
void blk_request_finish(struct blk_request *request, uint8_t status)
{
	struct disk_queue *queue = request->queue;

	*request->status = status;
	if (status != VIRTIO_BLK_S_OK)
		counter_add(&queue->disk->errors, 1);
	guest_memory_mark_dirty(queue->served.virtqueue.memory, request->status, 1);
	disk_queue_finish(queue, request, (uint32_t)request->written_bytes + 1);
}

uint8_t blk_status_of(int result)
{
	if (result == 0)
		return VIRTIO_BLK_S_OK;
	return result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

static void mark_dirty(struct blk_request *request)
{
	struct guest_memory *memory = request->queue->served.virtqueue.memory;

	if (!memory->log.bits)
		return;
	for (unsigned i = 0; i < request->transfer.segment_count; i++)
		guest_memory_mark_dirty(memory, request->transfer.segments[i].iov_base,
			request->transfer.segments[i].iov_len);
}

/* ---- steps ---- */

static void transfer_complete(struct backend_request *transfer, int result);

/* The scheduler has let the current step go: give it to the back end. */
static void send_step(struct pool_request *turn)
{
	struct blk_request *request = container_of(turn, struct blk_request, turn);
	struct backend *backend = request->queue->disk->backend;

	backend->ops->submit(backend, &request->transfer);
}

/* Price the current step and hand it to the scheduler. */
static void schedule(struct blk_request *request, enum slo_operation operation, uint64_t now_ns)
{
	struct backend_request *transfer = &request->transfer;
	struct disk *disk = request->queue->disk;
	bool is_sequential = false;

	if (operation == SLO_READ || operation == SLO_WRITE) {
		uint64_t *expected = &disk->sequential_offset[operation == SLO_WRITE];

		is_sequential = *expected == transfer->offset_bytes;
		*expected = transfer->offset_bytes + transfer->length_bytes;
	}
	transfer->complete = transfer_complete;
	request->turn.send = send_step;
	request->turn.slo.bytes = transfer->length_bytes;
	request->turn.slo.cost_units =
		pool_cost_units(disk->pool, operation, is_sequential, transfer->length_bytes);
	if (disk->backend->ops->expect)
		disk->backend->ops->expect(disk->backend, transfer);
	scheduler_submit(disk->pool->scheduler, disk->member.flow, &request->turn.slo, now_ns);
}

/* Take the next `bytes` of the data segments; the last one may have to be cut in two. */
static void take_segments(struct blk_request *request, uint64_t bytes)
{
	struct iovec *segment = request->data;
	uint64_t taken_bytes = 0;

	while (taken_bytes < bytes)
		taken_bytes += segment++->iov_len;
	request->cut_bytes = taken_bytes - bytes;
	if (request->cut_bytes)
		segment[-1].iov_len -= request->cut_bytes;
	request->transfer.segments = request->data;
	request->transfer.segment_count = (unsigned)(segment - request->data);
}

/* Go past the segments of the step that is done. */
static void drop_segments(struct blk_request *request)
{
	request->data += request->transfer.segment_count;
	if (request->cut_bytes) {
		request->data--;
		request->data->iov_base =
			(uint8_t *)request->data->iov_base + request->data->iov_len;
		request->data->iov_len = request->cut_bytes;
	}
}

static void step_transfer(struct blk_request *request, uint64_t now_ns)
{
	uint64_t most_bytes = request->queue->disk->pool->config.largest_request_bytes;
	uint64_t bytes = request->left_bytes < most_bytes ? request->left_bytes : most_bytes;

	take_segments(request, bytes);
	request->transfer.operation = request->type->operation;
	request->transfer.offset_bytes = request->offset_bytes;
	request->transfer.length_bytes = bytes;
	request->offset_bytes += bytes;
	request->left_bytes -= bytes;
	schedule(request, request->type->priced_as, now_ns);
}

static void step_range(struct blk_request *request, uint64_t now_ns)
{
	const struct virtio_blk_discard_write_zeroes *range =
		&request->ranges[request->range_index++];

	request->transfer.operation = request->type->operation;
	request->transfer.offset_bytes = range->sector * BLK_SECTOR_BYTES;
	request->transfer.length_bytes = (uint64_t)range->num_sectors * BLK_SECTOR_BYTES;
	request->transfer.may_unmap = range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	request->transfer.segment_count = 0;
	schedule(request, request->type->priced_as, now_ns);
}

static void step_flush(struct blk_request *request, uint64_t now_ns)
{
	request->needs_flush = false;
	request->transfer.operation = BACKEND_FLUSH;
	request->transfer.offset_bytes = 0;
	request->transfer.length_bytes = 0;
	request->transfer.segment_count = 0;
	schedule(request, SLO_FLUSH, now_ns);
}

static bool is_done(const struct blk_request *request)
{
	return !request->left_bytes && request->range_index == request->range_count &&
	       !request->needs_flush;
}

void blk_request_proceed(struct blk_request *request, uint64_t now_ns)
{
	if (is_done(request))
		blk_request_finish(request, VIRTIO_BLK_S_OK);
	else if (request->queue->disk->is_abandoned)
		disk_queue_drop(request->queue, request);
	else if (request->left_bytes)
		step_transfer(request, now_ns);
	else if (request->range_index < request->range_count)
		step_range(request, now_ns);
	else
		step_flush(request, now_ns);
}

static void transfer_complete(struct backend_request *transfer, int result)
{
	struct blk_request *request = container_of(transfer, struct blk_request, transfer);
	struct pool *pool = request->queue->disk->pool;
	uint64_t now_ns = clock_now_ns();

	pool_complete(pool, &request->turn, result < 0 && result != -EOPNOTSUPP, now_ns);
	if (transfer->operation == BACKEND_READ) {
		request->written_bytes += transfer->length_bytes;
		mark_dirty(request);
	}
	if (result == 0) {
		if (request->left_bytes)
			drop_segments(request);
		blk_request_proceed(request, now_ns);
	} else {
		blk_request_finish(request, blk_status_of(result));
	}
	pool_dispatch(pool, now_ns);
}
