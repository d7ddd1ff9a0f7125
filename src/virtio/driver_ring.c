#include "virtio/driver_ring.h"

#include <stdlib.h>
#include <string.h>

#include "virtio/driver_ring_private.h"

static const struct driver_ring_ops *find_ops(const struct driver_ring_config *config)
{
	return config->is_packed ? &driver_ring_packed : &driver_ring_split;
}

static bool needs_tables(const struct driver_ring_config *config)
{
	return config->segments_max > config->indirect_above;
}

/* Tables start on cache lines of their own. Both formats' descriptors are 16 bytes. */
static size_t table_bytes(const struct driver_ring_config *config)
{
	return driver_ring_align(config->segments_max * sizeof(struct vring_desc));
}

size_t driver_ring_memory_bytes(const struct driver_ring_config *config)
{
	size_t bytes = find_ops(config)->memory_bytes(config);

	return needs_tables(config) ? bytes + config->size * table_bytes(config) : bytes;
}

static bool config_is_sane(const struct driver_ring_config *config)
{
	const bool is_power_of_two = (config->size & (config->size - 1)) == 0;

	if (config->size == 0 || config->size > DRIVER_RING_SIZE_MAX)
		return false;
	if (!config->is_packed && !is_power_of_two)
		return false;
	if (config->segments_max == 0 || config->segments_max > DRIVER_RING_SEGMENTS_MAX)
		return false;
	return needs_tables(config) || config->segments_max <= config->size;
}

static void free_all_chains(struct driver_ring *ring)
{
	for (unsigned i = 0; i < ring->config.size; i++)
		ring->chains[i].next_free = (uint16_t)(i + 1);
	ring->free_head = 0;
	ring->free_descriptors = ring->config.size;
}

int driver_ring_init(struct driver_ring *ring, const struct driver_ring_config *config,
	void *memory, uint64_t guest_address)
{
	const size_t ring_bytes = find_ops(config)->memory_bytes(config);

	if (!config_is_sane(config))
		return -EINVAL;
	memset(ring, 0, sizeof(*ring));
	ring->ops = find_ops(config);
	ring->config = *config;
	ring->chains = calloc(config->size, sizeof(*ring->chains));
	if (!ring->chains)
		return -ENOMEM;
	ring->memory = memory;
	ring->tables = (char *)memory + ring_bytes;
	ring->tables_guest_address = guest_address + ring_bytes;
	ring->table_bytes = table_bytes(config);
	free_all_chains(ring);
	ring->ops->lay_out(ring);
	ring->ops->disable_calls(ring);
	return 0;
}

void driver_ring_free(struct driver_ring *ring)
{
	free(ring->chains);
	ring->chains = NULL;
}
