/*
 * The types of virtio devices that a VM can have: what is the same for every device of a type.
 */
#ifndef SLUICE_VMM_PCI_VIRTIO_TYPE_H
#define SLUICE_VMM_PCI_VIRTIO_TYPE_H

#include <stdbool.h>
#include <stdint.h>

struct virtio_type {
	uint16_t id;	     /* VIRTIO_ID_BLOCK, ... */
	const char *noun;    /* in messages: "disk" */
	const char *command; /* of `sluice`, by which a back end comes to be */
	uint32_t class_code; /* PCI's */
	uint32_t config_bytes;
	unsigned
		queues_each; /* how many queues serve one vCPU: they come together, or not at all */

	/* What a driver may be offered, of the type and of rings, if the back end has it. */
	uint64_t features;

	/*
	 * And with more queues than come together, for which the driver has a control queue, behind the back
	 * end's (net_control.h); 0: there is no such queue.
	 */
	uint64_t control_features;

	/* Make configuration space say how many queues there are; or NULL. */
	void (*set_queue_count)(uint8_t *config, uint16_t queue_count);
};

/* NULL: a VM cannot have any of that type. */
const struct virtio_type *virtio_type_find(uint16_t id);

/*
 * How many queues a device can have, none for the driver's commands counted.
 *
 * @offered: the back end's features
 * @queue_count_max: the back end's
 */
unsigned virtio_type_queue_count_max(
	const struct virtio_type *type, uint64_t offered, unsigned queue_count_max);

/* Is there a control queue, too? */
static inline bool virtio_type_has_control(const struct virtio_type *type, unsigned queue_count)
{
	return type->control_features && queue_count > type->queues_each;
}

/* What a driver may be offered of what the back end has, and of what is served here. */
uint64_t virtio_type_features(
	const struct virtio_type *type, uint64_t offered, unsigned queue_count);

#endif
