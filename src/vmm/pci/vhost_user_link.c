#include "vmm/pci/vhost_user_link.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define FEATURE(bit) (1ull << (bit))

/* As long as a back end waits for us. Longer than a slow device takes for what is in flight. */
#define CONVERSATION_NS_MAX (10 * NS_PER_S)

/* Where a packed ring begins: position 0 and wrap counter 1, for available and used descriptors. */
#define PACKED_BASE 0x80008000u

#define DRIVER_STATUS                                                                         \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

static const uint64_t wanted_protocol_features =
	FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
	FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ) | FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) |
	FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD) | FEATURE(VHOST_USER_PROTOCOL_F_STATUS);

static bool has(const struct vhost_user_link *link, enum vhost_user_protocol_feature feature)
{
	return vhost_user_connection_has(&link->connection, feature);
}

/* ---- connecting ---- */

void vhost_user_link_begin(struct vhost_user_link *link)
{
	link->connection.deadline_ns = clock_now_ns() + CONVERSATION_NS_MAX;
}

/* The channel by which the back end says that configuration space has changed. */
static int open_channel(struct vhost_user_link *link)
{
	int sockets[2], result;

	if (!has(link, VHOST_USER_PROTOCOL_F_BACKEND_REQ))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	link->request_fd = sockets[0];
	result = vhost_user_tell(
		&link->connection, VHOST_USER_SET_BACKEND_REQ_FD, "", 0, &sockets[1], 1);
	close(sockets[1]);
	return result;
}

static int allow_cut(struct vhost_user_link *link, struct error *error)
{
	bool is_cut;

	pthread_mutex_lock(&link->lock);
	link->cuttable_socket = link->connection.socket;
	is_cut = link->is_cut;
	pthread_mutex_unlock(&link->lock);
	return is_cut ? error_set(error, -ECANCELED, "the device is being removed") : 0;
}

void vhost_user_link_cut(struct vhost_user_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->is_cut = true;
	if (link->cuttable_socket >= 0)
		shutdown(link->cuttable_socket, SHUT_RDWR);
	pthread_mutex_unlock(&link->lock);
}

int vhost_user_link_connect(struct vhost_user_link *link, struct error *error)
{
	const uint64_t deadline_ns = clock_now_ns() + CONVERSATION_NS_MAX;
	int result;

	result = vhost_user_connect(&link->connection, link->socket_path, deadline_ns, error);
	if (result < 0)
		return result;
	result = allow_cut(link, error);
	if (result < 0)
		goto fail;
	result = vhost_user_negotiate(&link->connection, wanted_protocol_features, error);
	if (result < 0)
		goto fail;
	result = vhost_user_ask_queue_count(&link->connection, &link->queue_count_max);
	if (result == 0)
		result = open_channel(link);
	if (result == 0)
		return 0;
	error_set(error, result, "the back end breaks off: %s", strerror(-result));
fail:
	vhost_user_link_disconnect(link);
	return result;
}

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void vhost_user_link_disconnect(struct vhost_user_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->cuttable_socket = -1;
	pthread_mutex_unlock(&link->lock);
	vhost_user_disconnect(&link->connection);
	close_if_open(&link->request_fd);
}

int vhost_user_link_init(struct vhost_user_link *link, const char *socket_path,
	const struct vm_memory *memory, struct error *error)
{
	*link = (struct vhost_user_link){.socket_path = socket_path,
		.memory = memory,
		.connection = {.socket = -1},
		.request_fd = -1,
		.inflight_fd = -1,
		.cuttable_socket = -1};
	pthread_mutex_init(&link->lock, NULL);
	link->error_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (link->error_fd >= 0)
		return 0;
	pthread_mutex_destroy(&link->lock);
	return error_set(error, -errno, "no eventfd: %s", strerror(errno));
}

void vhost_user_link_release(struct vhost_user_link *link)
{
	vhost_user_link_disconnect(link);
	vhost_user_link_forget_inflight(link);
	close_if_open(&link->error_fd);
	pthread_mutex_destroy(&link->lock);
}

/* ---- memory ---- */

static int share_memory(struct vhost_user_link *link)
{
	const struct vm_memory *memory = link->memory;
	struct vhost_user_memory_table table = {.region_count = memory->region_count};
	int fds[VHOST_USER_TABLE_REGIONS_MAX];

	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct vm_memory_region *region = &memory->regions[i];

		table.regions[i] = (struct vhost_user_memory_region){region->guest_address,
			region->size_bytes, (uint64_t)(uintptr_t)region->host, region->file_offset};
		fds[i] = memory->fd;
	}
	return vhost_user_tell(&link->connection, VHOST_USER_SET_MEM_TABLE, &table,
		(uint32_t)(offsetof(struct vhost_user_memory_table, regions) +
			   memory->region_count * sizeof table.regions[0]),
		fds, memory->region_count);
}

/* ---- the in-flight region ---- */

void vhost_user_link_forget_inflight(struct vhost_user_link *link)
{
	close_if_open(&link->inflight_fd);
}

static uint16_t largest_size(const struct vhost_user_link_setup *setup)
{
	uint16_t largest = 1;

	for (unsigned i = 0; i < setup->ring_count; i++)
		if (setup->rings[i].is_enabled && setup->rings[i].size > largest)
			largest = setup->rings[i].size;
	return largest;
}

static int share_inflight(struct vhost_user_link *link, const struct vhost_user_link_setup *setup)
{
	if (!has(link, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
		return 0;
	if (link->inflight_fd < 0) {
		int fd;

		link->inflight =
			(struct vhost_user_inflight){.queue_count = (uint16_t)setup->ring_count,
				.queue_size = largest_size(setup)};
		fd = vhost_user_ask_inflight(&link->connection, &link->inflight);
		if (fd < 0)
			return fd;
		link->inflight_fd = fd;
	}
	return vhost_user_tell(&link->connection, VHOST_USER_SET_INFLIGHT_FD, &link->inflight,
		sizeof link->inflight, &link->inflight_fd, 1);
}

/* ---- rings ---- */

/* Where a back end is to go on. A packed one says so itself, in the in-flight region. */
static uint32_t base_of(
	const struct vhost_user_link_setup *setup, const struct virtio_pci_ring *ring)
{
	const struct vring_used *used = ring->device;

	if (setup->features & FEATURE(VIRTIO_F_RING_PACKED))
		return PACKED_BASE;
	return setup->is_continued ? __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) : 0;
}

static int tell_addresses(
	struct vhost_user_link *link, unsigned index, const struct virtio_pci_ring *ring)
{
	const struct vhost_user_vring_address address = {
		.index = index,
		.descriptor_address = (uint64_t)(uintptr_t)ring->descriptors,
		.used_address = (uint64_t)(uintptr_t)ring->device,
		.available_address = (uint64_t)(uintptr_t)ring->driver,
	};

	return vhost_user_tell(
		&link->connection, VHOST_USER_SET_VRING_ADDR, &address, sizeof address, NULL, 0);
}

static int tell_bells(
	struct vhost_user_link *link, unsigned index, const struct virtio_pci_ring *ring)
{
	struct vhost_user_connection *connection = &link->connection;
	int result =
		vhost_user_tell_bell(connection, VHOST_USER_SET_VRING_CALL, index, ring->call_fd);

	if (result == 0)
		result = vhost_user_tell_bell(
			connection, VHOST_USER_SET_VRING_ERR, index, link->error_fd);
	if (result == 0)
		result = vhost_user_tell_bell(
			connection, VHOST_USER_SET_VRING_KICK, index, ring->kick_fd);
	return result;
}

static int place_ring(
	struct vhost_user_link *link, const struct vhost_user_link_setup *setup, unsigned index)
{
	struct vhost_user_connection *connection = &link->connection;
	const struct virtio_pci_ring *ring = &setup->rings[index];
	int result;

	result = vhost_user_tell_vring(connection, VHOST_USER_SET_VRING_NUM, index, ring->size);
	if (result == 0)
		result = vhost_user_tell_vring(
			connection, VHOST_USER_SET_VRING_BASE, index, base_of(setup, ring));
	return result == 0 ? tell_addresses(link, index, ring) : result;
}

static int start_ring(
	struct vhost_user_link *link, const struct vhost_user_link_setup *setup, unsigned index)
{
	int result = tell_bells(link, index, &setup->rings[index]);

	if (result == 0)
		result = vhost_user_tell_vring(&link->connection, VHOST_USER_SET_VRING_ENABLE,
			index, index < setup->served_count);
	return result;
}

/* A ring that runs would be stopped, and started again, for the place of another: so first all have one. */
static int start_rings(struct vhost_user_link *link, const struct vhost_user_link_setup *setup)
{
	int result = 0;

	for (unsigned i = 0; i < setup->ring_count && result == 0; i++)
		if (setup->rings[i].is_enabled)
			result = place_ring(link, setup, i);
	for (unsigned i = 0; i < setup->ring_count && result == 0; i++)
		if (setup->rings[i].is_enabled)
			result = start_ring(link, setup, i);
	return result;
}

/*
 * The predecessor may have taken a kick and not looked, or given something back and not called; both may
 * be repeated.
 */
static void ring_all_bells(const struct vhost_user_link_setup *setup)
{
	for (unsigned i = 0; i < setup->ring_count; i++) {
		if (!setup->rings[i].is_enabled)
			continue;
		virtio_pci_ring(setup->rings[i].kick_fd);
		if (setup->rings[i].call_fd >= 0)
			virtio_pci_ring(setup->rings[i].call_fd);
	}
}

/* A question that is answered only after all that has been said was dealt with. */
static int wait_until_done(struct vhost_user_link *link)
{
	uint64_t ignored;

	return vhost_user_ask_u64(&link->connection, VHOST_USER_GET_FEATURES, &ignored);
}

/* The driver's features are not the back end's alone: a control queue is none of its. */
static int start(struct vhost_user_link *link, const struct vhost_user_link_setup *setup)
{
	struct vhost_user_connection *connection = &link->connection;
	int result;

	result = vhost_user_tell_u64(connection, VHOST_USER_SET_FEATURES,
		(setup->features & connection->offered) | vhost_user_mandatory_features);
	if (result == 0)
		result = share_memory(link);
	if (result == 0)
		result = share_inflight(link, setup);
	if (result == 0)
		result = start_rings(link, setup);
	if (result == 0 && has(link, VHOST_USER_PROTOCOL_F_STATUS))
		result = vhost_user_tell_u64(connection, VHOST_USER_SET_STATUS, DRIVER_STATUS);
	return result == 0 ? wait_until_done(link) : result;
}

int vhost_user_link_start(struct vhost_user_link *link, const struct vhost_user_link_setup *setup,
	struct error *error)
{
	int result = start(link, setup);

	if (result < 0)
		return error_set(error, result, "the back end does not start the rings: %s",
			strerror(-result));
	if (setup->is_continued)
		ring_all_bells(setup);
	return 0;
}

int vhost_user_link_set_served(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, unsigned served_count, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < ring_count && result == 0; i++)
		if (rings[i].is_enabled)
			result = vhost_user_tell_vring(&link->connection,
				VHOST_USER_SET_VRING_ENABLE, i, i < served_count);
	if (result == 0)
		result = wait_until_done(link);
	if (result < 0)
		return error_set(error, result, "the back end does not serve other rings: %s",
			strerror(-result));
	return 0;
}

int vhost_user_link_set_calls(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < ring_count && result == 0; i++)
		if (rings[i].is_enabled)
			result = vhost_user_tell_bell(
				&link->connection, VHOST_USER_SET_VRING_CALL, i, rings[i].call_fd);
	if (result < 0)
		return error_set(error, result, "the back end does not take interrupts: %s",
			strerror(-result));
	return 0;
}

int vhost_user_link_stop(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < ring_count && result == 0; i++)
		if (rings[i].is_enabled)
			result = vhost_user_ask_base(&link->connection, i, NULL);
	if (result == 0 && has(link, VHOST_USER_PROTOCOL_F_STATUS))
		result = vhost_user_tell_u64(&link->connection, VHOST_USER_SET_STATUS, 0);
	if (result < 0)
		return error_set(error, result, "the back end does not stop the rings: %s",
			strerror(-result));
	return 0;
}

/* ---- what the back end says ---- */

/* What it wants beyond that it was not offered; it is told that it cannot have it. */
static int acknowledge(struct vhost_user_link *link, const struct vhost_user_message *request)
{
	const bool is_known = request->header.request == VHOST_USER_BACKEND_CONFIG_CHANGE_MSG;
	struct vhost_user_message reply = {
		.header = {request->header.request, VHOST_USER_VERSION | VHOST_USER_REPLY,
			sizeof reply.payload.u64},
		.payload.u64 = !is_known};

	if (!(request->header.flags & VHOST_USER_NEED_REPLY))
		return 0;
	return vhost_user_send_now(link->request_fd, &reply);
}

int vhost_user_link_serve_request(struct vhost_user_link *link, struct error *error)
{
	struct vhost_user_message request;
	int result =
		vhost_user_receive_by(link->request_fd, &request, link->connection.deadline_ns);

	if (result == -ECONNRESET) {
		/* It has no more to ask; if it has gone, its own socket says so. */
		close_if_open(&link->request_fd);
		return 0;
	}
	if (result == 0) {
		vhost_user_close_fds(&request);
		result = acknowledge(link, &request);
	}
	if (result < 0)
		return error_set(error, result, "the back end's requests make no sense: %s",
			strerror(-result));
	return request.header.request == VHOST_USER_BACKEND_CONFIG_CHANGE_MSG;
}

bool vhost_user_link_needs_reset(struct vhost_user_link *link)
{
	uint64_t status = 0;

	return has(link, VHOST_USER_PROTOCOL_F_STATUS) &&
	       vhost_user_ask_u64(&link->connection, VHOST_USER_GET_STATUS, &status) == 0 &&
	       status & VIRTIO_CONFIG_S_NEEDS_RESET;
}
