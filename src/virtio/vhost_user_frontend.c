#include "virtio/vhost_user_frontend.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virtio/vhost_user_message.h"

#define PAGE_BYTES 4096u
#define FEATURE(bit) (1ull << (bit))

static const uint64_t mandatory_features =
	FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);
static const uint64_t wanted_protocol_features =
	FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
	FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) | FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);

/* ---- messages ---- */

static int send_request(struct vhost_user_frontend *frontend, uint32_t request, const void *payload,
	uint32_t size_bytes, int fd)
{
	struct vhost_user_message message = {
		.header = {request, VHOST_USER_VERSION, size_bytes},
		.fd_count = fd >= 0,
		.fds = {fd},
	};

	memcpy(&message.payload, payload, size_bytes);
	return vhost_user_send(frontend->socket, &message);
}

/* Send a request that is answered; the caller owns the reply's descriptors. */
static int ask(struct vhost_user_frontend *frontend, uint32_t request, const void *payload,
	uint32_t size_bytes, struct vhost_user_message *reply)
{
	int result = send_request(frontend, request, payload, size_bytes, -1);

	if (result == 0)
		result = vhost_user_receive(frontend->socket, reply);
	if (result == 0 && reply->header.request != request) {
		vhost_user_close_fds(reply);
		result = -EPROTO;
	}
	return result;
}

static int ask_u64(struct vhost_user_frontend *frontend, uint32_t request, uint64_t *value)
{
	struct vhost_user_message reply;
	int result = ask(frontend, request, "", 0, &reply);

	if (result == 0) {
		*value = reply.payload.u64;
		vhost_user_close_fds(&reply);
	}
	return result;
}

static int tell_u64(struct vhost_user_frontend *frontend, uint32_t request, uint64_t value, int fd)
{
	return send_request(frontend, request, &value, sizeof value, fd);
}

/* ---- connecting and negotiating ---- */

static int connect_socket(
	struct vhost_user_frontend *frontend, const char *path, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "socket path %s is too long", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	frontend->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (frontend->socket < 0 ||
		connect(frontend->socket, (const void *)&address, sizeof address) < 0)
		return error_set(error, -errno, "cannot connect to %s: %s; is sluiced running?",
			path, strerror(errno));
	return 0;
}

static int negotiate(struct vhost_user_frontend *frontend,
	const struct vhost_user_frontend_config *config, struct error *error)
{
	uint64_t offered = 0, protocol = 0;
	int result;

	result = ask_u64(frontend, VHOST_USER_GET_FEATURES, &offered);
	if (result == 0 && (offered & mandatory_features) != mandatory_features)
		return error_set(error, -ENOTSUP,
			"the back end is too old: it offers features 0x%llx",
			(unsigned long long)offered);
	if (result == 0)
		result = ask_u64(frontend, VHOST_USER_GET_PROTOCOL_FEATURES, &protocol);
	frontend->features = offered & (config->features | mandatory_features);
	frontend->protocol_features = protocol & wanted_protocol_features;
	if (result == 0)
		result = tell_u64(frontend, VHOST_USER_SET_PROTOCOL_FEATURES,
			frontend->protocol_features, -1);
	if (result == 0)
		result = send_request(frontend, VHOST_USER_SET_OWNER, "", 0, -1);
	if (result == 0)
		result = tell_u64(frontend, VHOST_USER_SET_FEATURES, frontend->features, -1);
	if (result < 0)
		return error_set(error, result, "negotiation failed: %s", strerror(-result));
	return 0;
}

static int check_queue_count(struct vhost_user_frontend *frontend, struct error *error)
{
	uint64_t most = 1;
	int result = 0;

	if (frontend->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_MQ))
		result = ask_u64(frontend, VHOST_USER_GET_QUEUE_NUM, &most);
	if (result < 0)
		return error_set(error, result,
			"the back end does not say how many queues it has: %s", strerror(-result));
	if (frontend->queue_count > most)
		return error_set(error, -ENOTSUP, "the back end has %llu queues, not %u",
			(unsigned long long)most, frontend->queue_count);
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
	int result = send_request(
		frontend, VHOST_USER_SET_MEM_TABLE, &table, size_bytes, frontend->memory_fd);

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
	struct vhost_user_inflight request = {
		.queue_count = (uint16_t)frontend->queue_count, .queue_size = queue_size};
	struct vhost_user_message reply;
	int result, fd;

	if (!(frontend->protocol_features & FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)))
		return 0;
	result = ask(frontend, VHOST_USER_GET_INFLIGHT_FD, &request, sizeof request, &reply);
	if (result < 0)
		return result;
	request = reply.payload.inflight;
	fd = vhost_user_take_fd(&reply, 0);
	vhost_user_close_fds(&reply);
	if (fd < 0)
		return -EPROTO;
	result = send_request(frontend, VHOST_USER_SET_INFLIGHT_FD, &request, sizeof request, fd);
	close(fd);
	return result;
}

/* ---- queues ---- */

static int set_vring(
	struct vhost_user_frontend *frontend, uint32_t request, unsigned index, uint32_t number)
{
	const struct vhost_user_vring_state state = {index, number};

	return send_request(frontend, request, &state, sizeof state, -1);
}

static int set_addresses(struct vhost_user_frontend *frontend, unsigned index)
{
	const struct driver_ring *ring = &frontend->queues[index].ring;
	const struct vhost_user_vring_address address = {
		.index = index,
		.descriptor_address = (uint64_t)(uintptr_t)ring->descriptor_area,
		.used_address = (uint64_t)(uintptr_t)ring->device_area,
		.available_address = (uint64_t)(uintptr_t)ring->driver_area,
	};

	return send_request(frontend, VHOST_USER_SET_VRING_ADDR, &address, sizeof address, -1);
}

static int start_queue(struct vhost_user_frontend *frontend, unsigned index, uint16_t size)
{
	struct frontend_queue *queue = &frontend->queues[index];
	int result;

	queue->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	queue->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->kick_fd < 0 || queue->call_fd < 0)
		return -errno;
	result = set_vring(frontend, VHOST_USER_SET_VRING_NUM, index, size);
	if (result == 0)
		result = set_vring(
			frontend, VHOST_USER_SET_VRING_BASE, index, driver_ring_base(&queue->ring));
	if (result == 0)
		result = set_addresses(frontend, index);
	if (result == 0)
		result = tell_u64(frontend, VHOST_USER_SET_VRING_CALL, index, queue->call_fd);
	if (result == 0)
		result = tell_u64(frontend, VHOST_USER_SET_VRING_KICK, index, queue->kick_fd);
	if (result == 0)
		result = set_vring(frontend, VHOST_USER_SET_VRING_ENABLE, index, 1);
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
		result = ask_u64(frontend, VHOST_USER_GET_FEATURES, &ignored);
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
	frontend->socket = frontend->memory_fd = -1;
	frontend->queue_count = config->queue_count;
	for (unsigned i = 0; i < FRONTEND_QUEUES_MAX; i++)
		frontend->queues[i].kick_fd = frontend->queues[i].call_fd = -1;
	result = connect_socket(frontend, config->socket_path, error);
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

static void stop_queue(struct vhost_user_frontend *frontend, unsigned index)
{
	const struct vhost_user_vring_state state = {index, 0};
	struct vhost_user_message reply;

	/* A back end that has gone cannot answer; then there is nothing left to stop. */
	if (ask(frontend, VHOST_USER_GET_VRING_BASE, &state, sizeof state, &reply) == 0)
		vhost_user_close_fds(&reply);
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

		if (queue->kick_fd >= 0)
			stop_queue(frontend, i);
		close_if_open(queue->kick_fd);
		close_if_open(queue->call_fd);
		driver_ring_free(&queue->ring);
	}
	if (frontend->memory)
		munmap(frontend->memory, frontend->memory_bytes);
	close_if_open(frontend->memory_fd);
	close_if_open(frontend->socket);
}

int vhost_user_frontend_read_config(
	struct vhost_user_frontend *frontend, void *config, uint32_t size_bytes)
{
	struct vhost_user_config request = {.size_bytes = size_bytes};
	uint32_t header_bytes = (uint32_t)offsetof(struct vhost_user_config, payload);
	struct vhost_user_message reply = {0};
	int result;

	if (size_bytes > VHOST_USER_CONFIG_BYTES_MAX)
		return -EINVAL;
	result = ask(frontend, VHOST_USER_GET_CONFIG, &request, header_bytes + size_bytes, &reply);
	if (result < 0)
		return result;
	if (reply.header.size_bytes == header_bytes + size_bytes)
		memcpy(config, reply.payload.config.payload, size_bytes);
	else
		result = -EPROTO;
	vhost_user_close_fds(&reply);
	return result;
}

bool vhost_user_frontend_is_disconnected(const struct vhost_user_frontend *frontend)
{
	struct pollfd event = {.fd = frontend->socket, .events = POLLIN};

	return poll(&event, 1, 0) > 0 && event.revents & (POLLHUP | POLLERR);
}
