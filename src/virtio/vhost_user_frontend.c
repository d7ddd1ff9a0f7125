#include "virtio/vhost_user_frontend.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define FEATURE(bit) (1ull << (bit))

static const uint64_t wanted_protocol_features =
	FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
	FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) | FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);

/* ---- negotiating ---- */

static int negotiate(struct vhost_user_frontend *frontend,
	const struct vhost_user_frontend_config *config, struct error *error)
{
	struct vhost_user_connection *connection = &frontend->connection;
	int result = vhost_user_negotiate(connection, wanted_protocol_features, error);

	if (result < 0)
		return result;
	frontend->features =
		connection->offered & (config->features | vhost_user_mandatory_features);
	result = vhost_user_tell_u64(connection, VHOST_USER_SET_FEATURES, frontend->features);
	if (result < 0)
		return error_set(error, result, "negotiation failed: %s", strerror(-result));
	return 0;
}

static int check_queue_count(struct vhost_user_frontend *frontend, struct error *error)
{
	unsigned most;
	int result = vhost_user_ask_queue_count(&frontend->connection, &most);

	if (result < 0)
		return error_set(error, result,
			"the back end does not say how many queues it has: %s", strerror(-result));
	if (frontend->queue_count > most)
		return error_set(error, -ENOTSUP, "the back end has %u queues, not %u", most,
			frontend->queue_count);
	return 0;
}

/* ---- memory ---- */

static struct driver_ring_config ring_config(
	const struct vhost_user_frontend *frontend, const struct vhost_user_frontend_config *config)
{
	bool has_indirect = frontend->features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC);

	return (struct driver_ring_config){
		.size = config->queue_size,
		.segments_max = config->segments_max,
		.indirect_above =
			has_indirect ? config->indirect_above : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = frontend->features & FEATURE(VIRTIO_F_RING_PACKED),
		.has_event_index = frontend->features & FEATURE(VIRTIO_RING_F_EVENT_IDX),
	};
}

static size_t round_up(size_t value, size_t to)
{
	return (value + to - 1) / to * to;
}

static int map_memory(struct vhost_user_frontend *frontend, size_t size_bytes, struct error *error)
{
	frontend->memory_bytes = size_bytes;
	frontend->memory_fd = memfd_create("sluice-frontend", MFD_CLOEXEC);
	if (frontend->memory_fd < 0 || ftruncate(frontend->memory_fd, (off_t)size_bytes) < 0)
		goto fail;
	frontend->memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		frontend->memory_fd, 0);
	if (frontend->memory != MAP_FAILED)
		return 0;
	frontend->memory = NULL;
fail:
	return error_set(
		error, -errno, "no shared memory of %zu bytes: %s", size_bytes, strerror(errno));
}

static int share_memory(struct vhost_user_frontend *frontend, struct error *error)
{
	const struct vhost_user_memory_table table = {
		.region_count = 1,
		.regions = {{0, frontend->memory_bytes, (uint64_t)(uintptr_t)frontend->memory, 0}},
	};
	uint32_t size_bytes = (uint32_t)offsetof(struct vhost_user_memory_table, regions[1]);
	int result = vhost_user_tell(&frontend->connection, VHOST_USER_SET_MEM_TABLE, &table,
		size_bytes, &frontend->memory_fd, 1);

	if (result < 0)
		return error_set(error, result, "memory cannot be shared: %s", strerror(-result));
	return 0;
}

static int lay_out_rings(struct vhost_user_frontend *frontend,
	const struct vhost_user_frontend_config *config, struct error *error)
{
	struct driver_ring_config ring = ring_config(frontend, config);
	size_t ring_bytes = round_up(driver_ring_memory_bytes(&ring), PAGE_BYTES);
	size_t data_offset = ring_bytes * frontend->queue_count;
	int result;

	result =
		map_memory(frontend, data_offset + round_up(config->data_bytes, PAGE_BYTES), error);
	if (result < 0)
		return result;
	frontend->data = frontend->memory + data_offset;
	for (unsigned i = 0; i < frontend->queue_count; i++) {
		result = driver_ring_init(&frontend->queues[i].ring, &ring,
			frontend->memory + i * ring_bytes, i * ring_bytes);
		if (result < 0)
			return error_set(error, result, "a queue of %u descriptors: %s",
				config->queue_size, strerror(-result));
	}
	return share_memory(frontend, error);
}

/* The region is the back end's memory of us; we only have to keep it and hand it back. */
static int share_inflight(struct vhost_user_frontend *frontend, uint16_t queue_size)
{
	struct vhost_user_inflight inflight = {
		.queue_count = (uint16_t)frontend->queue_count, .queue_size = queue_size};
	int result, fd;

	if (!vhost_user_connection_has(&frontend->connection, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
		return 0;
	fd = vhost_user_ask_inflight(&frontend->connection, &inflight);
	if (fd < 0)
		return fd;
	result = vhost_user_tell(&frontend->connection, VHOST_USER_SET_INFLIGHT_FD, &inflight,
		sizeof inflight, &fd, 1);
	close(fd);
	return result;
}

/* ---- queues ---- */

static int set_addresses(struct vhost_user_frontend *frontend, unsigned index)
{
	const struct driver_ring *ring = &frontend->queues[index].ring;
	const struct vhost_user_vring_address address = {
		.index = index,
		.descriptor_address = (uint64_t)(uintptr_t)ring->descriptor_area,
		.used_address = (uint64_t)(uintptr_t)ring->device_area,
		.available_address = (uint64_t)(uintptr_t)ring->driver_area,
	};

	return vhost_user_tell(&frontend->connection, VHOST_USER_SET_VRING_ADDR, &address,
		sizeof address, NULL, 0);
}

static int start_queue(struct vhost_user_frontend *frontend, unsigned index, uint16_t size)
{
	struct vhost_user_connection *connection = &frontend->connection;
	struct frontend_queue *queue = &frontend->queues[index];
	int result;

	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0 || queue->call_fd < 0)
		return -errno;
	result = vhost_user_tell_vring(connection, VHOST_USER_SET_VRING_NUM, index, size);
	if (result == 0)
		result = vhost_user_tell_vring(connection, VHOST_USER_SET_VRING_BASE, index,
			driver_ring_base(&queue->ring));
	if (result == 0)
		result = set_addresses(frontend, index);
	if (result == 0)
		result = vhost_user_tell_bell(
			connection, VHOST_USER_SET_VRING_CALL, index, queue->call_fd);
	if (result == 0)
		result = vhost_user_tell_bell(
			connection, VHOST_USER_SET_VRING_KICK, index, queue->kick_fd);
	if (result == 0)
		result = vhost_user_tell_vring(connection, VHOST_USER_SET_VRING_ENABLE, index, 1);
	return result;
}

static int start_queues(struct vhost_user_frontend *frontend, uint16_t size, struct error *error)
{
	uint64_t ignored;
	int result = share_inflight(frontend, size);

	for (unsigned i = 0; i < frontend->queue_count && result == 0; i++)
		result = start_queue(frontend, i, size);
	/* A question that is answered only after all of that has been dealt with. */
	if (result == 0)
		result = vhost_user_ask_u64(
			&frontend->connection, VHOST_USER_GET_FEATURES, &ignored);
	if (result < 0)
		return error_set(error, result, "the queues do not start: %s", strerror(-result));
	return 0;
}

/* ---- the whole ---- */

int vhost_user_frontend_open(struct vhost_user_frontend *frontend,
	const struct vhost_user_frontend_config *config, struct error *error)
{
	int result;

	memset(frontend, 0, sizeof *frontend);
	frontend->memory_fd = -1;
	frontend->queue_count = config->queue_count;
	for (unsigned i = 0; i < FRONTEND_QUEUES_MAX; i++)
		frontend->queues[i].kick_fd = frontend->queues[i].call_fd = -1;
	result = vhost_user_connect(&frontend->connection, config->socket_path, 0, error);
	if (result == 0)
		result = negotiate(frontend, config, error);
	if (result == 0)
		result = check_queue_count(frontend, error);
	if (result == 0)
		result = lay_out_rings(frontend, config, error);
	if (result == 0)
		result = start_queues(frontend, config->queue_size, error);
	if (result < 0)
		vhost_user_frontend_close(frontend);
	return result;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vhost_user_frontend_close(struct vhost_user_frontend *frontend)
{
	for (unsigned i = 0; i < frontend->queue_count; i++) {
		struct frontend_queue *queue = &frontend->queues[i];

		/* A back end that has gone cannot answer; then there is nothing left to stop. */
		if (queue->kick_fd >= 0)
			vhost_user_ask_base(&frontend->connection, i, NULL);
		close_if_open(queue->kick_fd);
		close_if_open(queue->call_fd);
		driver_ring_free(&queue->ring);
	}
	if (frontend->memory)
		munmap(frontend->memory, frontend->memory_bytes);
	close_if_open(frontend->memory_fd);
	vhost_user_disconnect(&frontend->connection);
}

int vhost_user_frontend_read_config(
	struct vhost_user_frontend *frontend, void *config, uint32_t size_bytes)
{
	return vhost_user_ask_config(&frontend->connection, config, size_bytes);
}

bool vhost_user_frontend_is_disconnected(const struct vhost_user_frontend *frontend)
{
	struct pollfd event = {.fd = frontend->connection.socket, .events = POLLIN};

	return poll(&event, 1, 0) > 0 && event.revents & (POLLHUP | POLLERR);
}
