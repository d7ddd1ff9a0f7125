/* A disk as a virtio device: features, configuration space, and what its vhost-user session asks. */
#include <linux/virtio_blk.h>
#include <string.h>

#include "base/counter.h"
#include "disk/disk_private.h"

/* As many as fit a ring of 128 with a header and a status. */
#define SEGMENTS_MAX (BACKEND_SEGMENTS_MAX - 2)

#define FEATURE(bit) (1ull << (bit))

_Static_assert(SEGMENTS_MAX + 2 <= DESCRIPTOR_CHAIN_SEGMENTS_MAX, "a full request fits a chain");

static uint64_t features(void *device)
{
	const struct disk *disk = device;
	uint64_t offered = FEATURE(VIRTIO_BLK_F_SEG_MAX) | FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
			   FEATURE(VIRTIO_BLK_F_TOPOLOGY) | FEATURE(VIRTIO_BLK_F_FLUSH) |
			   FEATURE(VIRTIO_BLK_F_MQ);

	if (disk->config.is_read_only)
		return offered | FEATURE(VIRTIO_BLK_F_RO);
	if (disk->backend->can_discard)
		offered |= FEATURE(VIRTIO_BLK_F_DISCARD);
	return offered | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
}

/* Without FLUSH, the driver takes a completed write for a durable one (5.2.6.2). */
static void accept_features(void *device, uint64_t accepted)
{
	struct disk *disk = device;

	disk->is_write_through = !(accepted & FEATURE(VIRTIO_BLK_F_FLUSH));
}

static void describe_blocks(const struct disk *disk, struct virtio_blk_config *config)
{
	uint32_t sectors_per_block = disk->backend->block_bytes / BLK_SECTOR_BYTES;

	/* Sectors of 512 bytes whatever the device has: an image moves between devices. */
	config->blk_size = BLK_SECTOR_BYTES;
	config->physical_block_exp = (uint8_t)__builtin_ctz(sectors_per_block);
	config->min_io_size = (uint16_t)sectors_per_block;
	config->discard_sector_alignment = sectors_per_block;
}

static uint32_t read_config(void *device, uint8_t *bytes, uint32_t capacity)
{
	const struct disk *disk = device;
	struct virtio_blk_config config = {
		.capacity = counter_get(&disk->size_bytes) / BLK_SECTOR_BYTES,
		.seg_max = SEGMENTS_MAX,
		.num_queues = (uint16_t)disk->config.queue_count,
		.max_discard_sectors = BLK_DISCARD_SECTORS_MAX,
		.max_discard_seg = BLK_RANGES_MAX,
		.max_write_zeroes_sectors = BLK_WRITE_ZEROES_SECTORS_MAX,
		.max_write_zeroes_seg = BLK_RANGES_MAX,
		.write_zeroes_may_unmap = disk->backend->can_discard,
	};
	uint32_t size_bytes = sizeof config < capacity ? sizeof config : capacity;

	describe_blocks(disk, &config);
	memcpy(bytes, &config, size_bytes);
	return size_bytes;
}

static int start_queue(void *device, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	return disk_queue_start(device, index, setup, bells, error);
}

static uint32_t stop_queue(void *device, unsigned index)
{
	return disk_queue_stop(device, index);
}

static void set_call(void *device, unsigned index, int call_fd)
{
	disk_queue_set_call(device, index, call_fd);
}

static void connection_changed(void *device, bool is_connected)
{
	struct disk *disk = device;

	__atomic_store_n(&disk->is_connected, is_connected, __ATOMIC_RELAXED);
	if (!is_connected)
		return;
	counter_add(&disk->connections, 1);
	/* No ring runs now, so the sidecore does not look at it. */
	disk->is_abandoned = false;
}

static void abandon(void *device)
{
	disk_abandon_requests(device);
}

static const char *trouble(void *device)
{
	struct disk *disk = device;

	return served_device_trouble(&disk->served);
}

const struct vhost_user_operations disk_operations = {
	.features = features,
	.accept_features = accept_features,
	.read_config = read_config,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.set_call = set_call,
	.connection_changed = connection_changed,
	.abandon = abandon,
	.trouble = trouble,
};
