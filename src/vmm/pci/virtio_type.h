/*
 * The types of virtio devices that a VM can have: what is the same for every device of a type.
 */
#ifndef SLUICE_VMM_PCI_VIRTIO_TYPE_H
#define SLUICE_VMM_PCI_VIRTIO_TYPE_H

#include <stdint.h>

struct virtio_type {
	uint16_t id;	     /* VIRTIO_ID_BLOCK, ... */
	const char *noun;    /* in messages: "disk" */
	const char *command; /* of `sluice`, by which a back end comes to be */
	uint32_t class_code; /* PCI's */
	uint32_t config_bytes;
	unsigned queue_count; /* 0: as many as are wanted and the back end has */

	/* What a driver may be offered, of the type and of rings, if the back end has it. */
	uint64_t features;

	/* Make configuration space say how many queues there are; or NULL. */
	void (*set_queue_count)(uint8_t *config, uint16_t queue_count);
};

/* NULL: a VM cannot have any of that type. */
const struct virtio_type *virtio_type_find(uint16_t id);

#endif
