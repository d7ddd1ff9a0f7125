#include "vmm/pci/net_control.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

/* Where a packed ring begins: position 0 and wrap counter 1, for available and used descriptors. */
#define PACKED_BASE 0x80008000u

#define COMMAND_DATA_BYTES_MAX sizeof(struct virtio_net_ctrl_mq)

/* A command, copied out of the guest's memory. */
struct command {
	struct virtio_net_ctrl_hdr header;
	uint8_t data[COMMAND_DATA_BYTES_MAX];
	uint64_t
		size_bytes; /* of all that the driver has sent; what is beyond the two is not copied */
};

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

unsigned net_control_index(uint64_t features, unsigned pair_count_max)
{
	return has(features, VIRTIO_NET_F_MQ) ? 2 * pair_count_max : 2;
}

/* ---- beginning ---- */

/* The VM's memory is mapped already, and nobody can truncate it: it needs no guard. */
static void describe_memory(struct net_control *control, const struct vm_memory *memory)
{
	guest_memory_init(&control->memory);
	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct vm_memory_region *region = &memory->regions[i];

		control->memory.regions[i] = (struct guest_region){
			.guest_address = region->guest_address,
			.user_address = (uintptr_t)region->host,
			.size_bytes = region->size_bytes,
			.host = region->host,
		};
	}
	control->memory.region_count = memory->region_count;
}

int net_control_begin(
	struct net_control *control, const struct net_control_setup *setup, struct error *error)
{
	const bool is_packed = has(setup->features, VIRTIO_F_RING_PACKED);
	const unsigned index = net_control_index(setup->features, setup->pair_count_max);
	const struct virtio_pci_ring *ring = &setup->rings[index];
	const struct virtqueue_setup queue = {
		.size = ring->size,
		.is_packed = is_packed,
		.has_event_index = has(setup->features, VIRTIO_RING_F_EVENT_IDX),
		.descriptor_address = (uintptr_t)ring->descriptors,
		.driver_address = (uintptr_t)ring->driver,
		.device_address = (uintptr_t)ring->device,
		.base = is_packed ? PACKED_BASE : 0,
		.memory = &control->memory,
	};
	int result;

	control->is_attached = false;
	control->index = index;
	control->pair_count = 1;
	control->pair_count_max = has(setup->features, VIRTIO_NET_F_MQ) ? index / 2 : 0;
	if (!has(setup->features, VIRTIO_NET_F_CTRL_VQ) || !ring->is_enabled)
		return 0;
	describe_memory(control, setup->memory);
	result = virtqueue_attach(&control->queue, &queue, error);
	if (result < 0)
		return error_prefix(error, result, "the control queue: ");
	control->kick_fd = ring->kick_fd;
	control->is_attached = true;
	return 0;
}

/* ---- commands ---- */

static uint8_t set_pairs(struct net_control *control, const struct command *command)
{
	uint16_t count;

	memcpy(&count, command->data, sizeof count);
	if (count < VIRTIO_NET_CTRL_MQ_VQ_PAIRS_MIN || count > control->pair_count_max)
		return VIRTIO_NET_ERR;
	control->pair_count = count;
	return VIRTIO_NET_OK;
}

static const struct {
	uint8_t class, command;
	uint32_t data_bytes;
	uint8_t (*obey)(struct net_control *control, const struct command *command);
} commands[] = {
	{VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, sizeof(struct virtio_net_ctrl_mq),
		set_pairs},
};

static void read_command(const struct descriptor_chain *chain, struct command *command)
{
	uint8_t *to = (uint8_t *)command;
	size_t room_bytes = sizeof command->header + sizeof command->data;

	*command = (struct command){0};
	for (unsigned i = 0; i < chain->readable_count; i++) {
		const struct iovec *segment = &chain->segments[i];
		size_t part = segment->iov_len < room_bytes ? segment->iov_len : room_bytes;

		memcpy(to, segment->iov_base, part);
		to += part;
		room_bytes -= part;
		command->size_bytes += segment->iov_len;
	}
}

static uint8_t obey(struct net_control *control, const struct command *command)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (commands[i].class == command->header.class &&
			commands[i].command == command->header.cmd &&
			command->size_bytes == sizeof command->header + commands[i].data_bytes)
			return commands[i].obey(control, command);
	return VIRTIO_NET_ERR;
}

int net_control_take(struct net_control *control)
{
	struct command command;
	int result = virtqueue_pop(&control->queue, &control->chain);

	if (result <= 0)
		return result;
	if (control->chain.writable_count == 0)
		return virtqueue_break(
			&control->queue, "the driver has sent a command that cannot be answered");
	read_command(&control->chain, &command);
	control->acknowledgement = obey(control, &command);
	return 1;
}

void net_control_answer(struct net_control *control)
{
	const struct descriptor_chain *chain = &control->chain;

	memcpy(chain->segments[chain->readable_count].iov_base, &control->acknowledgement,
		sizeof control->acknowledgement);
	virtqueue_push(&control->queue, chain, sizeof control->acknowledgement);
	virtqueue_publish(&control->queue);
}

bool net_control_wait(struct net_control *control)
{
	return !control->queue.broken && virtqueue_enable_kicks(&control->queue);
}

bool net_control_needs_call(struct net_control *control)
{
	const bool needs_call = virtqueue_needs_call(&control->queue);

	virtqueue_settle_call(&control->queue);
	return needs_call;
}
