#include "vmm/pci/virtio_type.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stddef.h>
#include <string.h>

#define FEATURE(bit) (1ull << (bit))

#define RING_FEATURES                                                         \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
		FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VIRTIO_F_RING_PACKED))

/* Not those by which a driver writes to configuration space, nor those younger than what is read of it. */
#define BLOCK_FEATURES                                                         \
	(FEATURE(VIRTIO_BLK_F_SIZE_MAX) | FEATURE(VIRTIO_BLK_F_SEG_MAX) |      \
		FEATURE(VIRTIO_BLK_F_GEOMETRY) | FEATURE(VIRTIO_BLK_F_RO) |    \
		FEATURE(VIRTIO_BLK_F_BLK_SIZE) | FEATURE(VIRTIO_BLK_F_FLUSH) | \
		FEATURE(VIRTIO_BLK_F_TOPOLOGY) | FEATURE(VIRTIO_BLK_F_MQ) |    \
		FEATURE(VIRTIO_BLK_F_DISCARD) | FEATURE(VIRTIO_BLK_F_WRITE_ZEROES))

/* Not those by whose commands a back end would have to filter, offload or announce: it gets none. */
#define NET_FEATURES                                                                  \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |              \
		FEATURE(VIRTIO_NET_F_MTU) | FEATURE(VIRTIO_NET_F_MAC) |               \
		FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) | \
		FEATURE(VIRTIO_NET_F_GUEST_ECN) | FEATURE(VIRTIO_NET_F_GUEST_UFO) |   \
		FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_NET_F_HOST_TSO6) |   \
		FEATURE(VIRTIO_NET_F_HOST_ECN) | FEATURE(VIRTIO_NET_F_HOST_UFO) |     \
		FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_STATUS))

static void set_block_queue_count(uint8_t *config, uint16_t queue_count)
{
	memcpy(config + offsetof(struct virtio_blk_config, num_queues), &queue_count,
		sizeof queue_count);
}

static void set_net_queue_count(uint8_t *config, uint16_t queue_count)
{
	const uint16_t pair_count = queue_count / 2;

	memcpy(config + offsetof(struct virtio_net_config, max_virtqueue_pairs), &pair_count,
		sizeof pair_count);
}

static const struct virtio_type types[] = {
	{.id = VIRTIO_ID_BLOCK,
		.noun = "disk",
		.command = "sluice disk add",
		.class_code = 0x010000,
		/* Up to write zeroes: back ends refuse to tell more than they know of. */
		.config_bytes = 60,
		.queues_each = 1,
		.features = RING_FEATURES | BLOCK_FEATURES,
		.set_queue_count = set_block_queue_count},
	{.id = VIRTIO_ID_NET,
		.noun = "NIC",
		.command = "sluice nic add",
		.class_code = 0x020000,
		.config_bytes = offsetof(struct virtio_net_config, mtu) + sizeof(uint16_t),
		.queues_each = 2,
		.features = RING_FEATURES | NET_FEATURES,
		.control_features = FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_MQ),
		.set_queue_count = set_net_queue_count},
};

_Static_assert(offsetof(struct virtio_blk_config, unused1) + 3 == 60, "write zeroes end there");

const struct virtio_type *virtio_type_find(uint16_t id)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].id == id)
			return &types[i];
	return NULL;
}

/* The control queue is ours; what it is for must be the back end's, too. */
static uint64_t control_features(const struct virtio_type *type, uint64_t offered)
{
	return type->control_features & (offered | FEATURE(VIRTIO_NET_F_CTRL_VQ));
}

unsigned virtio_type_queue_count_max(
	const struct virtio_type *type, uint64_t offered, unsigned queue_count_max)
{
	if (control_features(type, offered) != type->control_features &&
		queue_count_max > type->queues_each)
		return type->queues_each;
	return queue_count_max - queue_count_max % type->queues_each;
}

uint64_t virtio_type_features(
	const struct virtio_type *type, uint64_t offered, unsigned queue_count)
{
	uint64_t features = offered & type->features;

	if (virtio_type_has_control(type, queue_count))
		features |= control_features(type, offered);
	return features;
}
