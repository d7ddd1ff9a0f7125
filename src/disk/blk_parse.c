/* Making sense of a chain: where its header, data and status are, and whether it may be done. */
#include "disk/blk_request.h"

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "disk/disk_private.h"

/* Types without a row (2, 3, 5 to 7, 9, 10 and 12) are unknown; GET_ID is answered right here. */
static const struct blk_type types[] = {
	[VIRTIO_BLK_T_IN] = {true, BACKEND_READ, SLO_READ, false, 0},
	[VIRTIO_BLK_T_OUT] = {true, BACKEND_WRITE, SLO_WRITE, true, 0},
	[VIRTIO_BLK_T_FLUSH] = {true, BACKEND_FLUSH, SLO_FLUSH, false, 0},
	[VIRTIO_BLK_T_DISCARD] = {true, BACKEND_DISCARD, SLO_DISCARD, true,
		BLK_DISCARD_SECTORS_MAX},
	[VIRTIO_BLK_T_WRITE_ZEROES] = {true, BACKEND_WRITE_ZEROES, SLO_WRITE_ZEROES, true,
		BLK_WRITE_ZEROES_SECTORS_MAX},
};

static uint64_t total_bytes(const struct iovec *segments, unsigned count)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < count; i++)
		bytes += segments[i].iov_len;
	return bytes;
}

/* Copy from the front of segments, each byte read once, and leave the rest of them in place. */
static bool pull(struct iovec **segments, unsigned *count, void *to, size_t size)
{
	uint8_t *target = to;

	while (size && *count) {
		struct iovec *first = *segments;
		size_t part = first->iov_len < size ? first->iov_len : size;

		memcpy(target, first->iov_base, part);
		target += part;
		size -= part;
		first->iov_base = (uint8_t *)first->iov_base + part;
		first->iov_len -= part;
		if (first->iov_len == 0) {
			(*segments)++;
			(*count)--;
		}
	}
	return size == 0;
}

/* The last writable byte is the status. */
static bool take_status(struct blk_request *request)
{
	struct descriptor_chain *chain = &request->chain;
	struct iovec *last;

	if (chain->writable_count == 0)
		return false;
	last = &chain->segments[chain->readable_count + chain->writable_count - 1];
	last->iov_len--;
	request->status = (uint8_t *)last->iov_base + last->iov_len;
	if (last->iov_len == 0)
		chain->writable_count--;
	return true;
}

static bool is_within_disk(const struct disk *disk, uint64_t sector, uint64_t bytes)
{
	return sector <= disk->size_bytes / BLK_SECTOR_BYTES &&
	       bytes <= disk->size_bytes - sector * BLK_SECTOR_BYTES;
}

static int prepare_transfer(struct blk_request *request, uint64_t sector)
{
	struct disk *disk = request->queue->disk;
	uint64_t bytes = total_bytes(request->data, request->data_count);

	if (request->data_count > BACKEND_SEGMENTS_MAX || bytes % BLK_SECTOR_BYTES ||
		!is_within_disk(disk, sector, bytes))
		return -EINVAL;
	request->offset_bytes = sector * BLK_SECTOR_BYTES;
	request->left_bytes = bytes;
	if (!request->type->is_write) {
		counter_add(&disk->reads, 1);
		counter_add(&disk->read_bytes, bytes);
		return 0;
	}
	counter_add(&disk->writes, 1);
	counter_add(&disk->write_bytes, bytes);
	request->needs_flush = disk->is_write_through;
	return 0;
}

static int check_range(
	const struct blk_request *request, const struct virtio_blk_discard_write_zeroes *range)
{
	uint32_t allowed_flags = request->type->operation == BACKEND_WRITE_ZEROES
					 ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
					 : 0;

	if (range->flags & ~allowed_flags)
		return -EOPNOTSUPP;
	if (range->num_sectors == 0 || range->num_sectors > request->type->range_sectors_max)
		return -EINVAL;
	if (!is_within_disk(request->queue->disk, range->sector,
		    (uint64_t)range->num_sectors * BLK_SECTOR_BYTES))
		return -EINVAL;
	return 0;
}

static int prepare_ranges(struct blk_request *request)
{
	struct disk *disk = request->queue->disk;
	uint64_t bytes = total_bytes(request->data, request->data_count);
	bool is_discard = request->type->operation == BACKEND_DISCARD;
	int result = 0;

	if (is_discard && !disk->backend->can_discard)
		return -EOPNOTSUPP;
	if (bytes == 0 || bytes > sizeof request->ranges || bytes % sizeof *request->ranges)
		return -EINVAL;
	pull(&request->data, &request->data_count, request->ranges, bytes);
	request->range_count = (unsigned)(bytes / sizeof *request->ranges);
	for (unsigned i = 0; i < request->range_count && result == 0; i++)
		result = check_range(request, &request->ranges[i]);
	counter_add(is_discard ? &disk->discards : &disk->write_zeroes, 1);
	request->needs_flush = !is_discard && disk->is_write_through;
	return result;
}

static int prepare(struct blk_request *request, uint64_t sector)
{
	if (request->type->is_write && request->queue->disk->config.is_read_only)
		return -EROFS;
	if (request->type->operation == BACKEND_FLUSH) {
		counter_add(&request->queue->disk->flushes, 1);
		request->needs_flush = true;
		return 0;
	}
	return request->type->range_sectors_max ? prepare_ranges(request)
						: prepare_transfer(request, sector);
}

/* Up to 20 bytes of serial number, padded with zeroes (5.2.6.1). */
static void answer_id(struct blk_request *request)
{
	const char *serial = request->queue->disk->config.serial;
	char id[VIRTIO_BLK_ID_BYTES] = {0};
	size_t done = 0;

	memcpy(id, serial, strnlen(serial, sizeof id));
	for (unsigned i = 0; i < request->data_count && done < sizeof id; i++) {
		size_t part = request->data[i].iov_len;

		if (part > sizeof id - done)
			part = sizeof id - done;
		memcpy(request->data[i].iov_base, id + done, part);
		guest_memory_mark_dirty(
			request->queue->served.virtqueue.memory, request->data[i].iov_base, part);
		done += part;
	}
	request->written_bytes = done;
	blk_request_finish(request, VIRTIO_BLK_S_OK);
}

static void reset(struct blk_request *request)
{
	request->left_bytes = 0;
	request->written_bytes = 0;
	request->cut_bytes = 0;
	request->range_index = 0;
	request->range_count = 0;
	request->needs_flush = false;
	request->transfer.may_unmap = false;
}

/* Data of a read are the writable segments; those of everything else, the readable ones. */
static void find_data(
	struct blk_request *request, struct iovec *readable, unsigned readable_count, uint32_t type)
{
	bool reads = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;

	request->data = reads ? readable + readable_count : readable;
	request->data_count = reads ? request->chain.writable_count : readable_count;
}

int blk_request_start(struct blk_request *request, uint64_t now_ns)
{
	struct iovec *readable = request->chain.segments;
	unsigned readable_count = request->chain.readable_count;
	struct virtio_blk_outhdr header;
	int result;

	reset(request);
	if (!take_status(request))
		return -EPROTO;
	if (!pull(&readable, &readable_count, &header, sizeof header)) {
		blk_request_finish(request, VIRTIO_BLK_S_IOERR);
		return 0;
	}
	find_data(request, readable, readable_count, header.type);
	if (header.type == VIRTIO_BLK_T_GET_ID) {
		answer_id(request);
		return 0;
	}
	if (header.type >= sizeof types / sizeof *types || !types[header.type].is_known) {
		blk_request_finish(request, VIRTIO_BLK_S_UNSUPP);
		return 0;
	}
	request->type = &types[header.type];
	result = prepare(request, header.sector);
	if (result < 0)
		blk_request_finish(request, blk_status_of(result));
	else
		blk_request_proceed(request, now_ns);
	return 0;
}
