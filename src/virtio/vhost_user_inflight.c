/* vhost-user messages about the in-flight region: making one, and taking one up. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/inflight.h"
#include "virtio/vhost_user_session.h"

static int check_request(const struct vhost_user_session *session,
	const struct vhost_user_inflight *request, struct error *error)
{
	if (request->queue_count == 0 || request->queue_count > session->config->queue_count ||
		request->queue_size == 0 || request->queue_size > VIRTQUEUE_SIZE_MAX)
		return error_set(error, -EINVAL,
			"an in-flight region for %u queues of %u descriptors is out of range",
			request->queue_count, request->queue_size);
	return 0;
}

static size_t queue_bytes(const struct vhost_user_session *session, uint16_t queue_size)
{
	return inflight_queue_bytes(session_has_feature(session, VIRTIO_F_RING_PACKED), queue_size);
}

/* Sealed against shrinking, so that no successor is surprised. */
static int create_region(size_t size_bytes)
{
	int fd = memfd_create("sluice-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size_bytes) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0) {
		int result = -errno;

		close(fd);
		return result;
	}
	return fd;
}

int session_get_inflight_fd(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_inflight request = message->payload.inflight;
	int result = check_request(session, &request, error);

	memset(&message->payload, 0, sizeof message->payload);
	vhost_user_close_fds(message);
	if (result < 0)
		return result;
	request.mmap_size_bytes = queue_bytes(session, request.queue_size) * request.queue_count;
	request.mmap_offset_bytes = 0;
	result = create_region(request.mmap_size_bytes);
	if (result < 0)
		return error_set(
			error, result, "no memory for an in-flight region: %s", strerror(-result));
	message->payload.inflight = request;
	message->fds[0] = result;
	message->fd_count = 1;
	return 0;
}

void session_unmap_inflight(struct vhost_user_session *session)
{
	if (session->inflight.mapping)
		mapping_guard_unmap(session->inflight.mapping);
	session->inflight = (struct session_inflight){0};
}

static int map_region(
	struct vhost_user_session *session, const struct vhost_user_inflight *request, int fd)
{
	uint64_t part_bytes = queue_bytes(session, request->queue_size);
	struct guarded_mapping *mapping;
	uint64_t end;
	int result;

	if (request->mmap_size_bytes < part_bytes * request->queue_count ||
		request->mmap_offset_bytes % 8 ||
		__builtin_add_overflow(request->mmap_offset_bytes, request->mmap_size_bytes, &end))
		return -EINVAL;
	result = mapping_guard_check_bookkeeping(fd, end);
	if (result < 0)
		return result;
	session_unmap_inflight(session);
	result = mapping_guard_map_bookkeeping(fd, end, &mapping);
	if (result < 0)
		return result;
	session->inflight = (struct session_inflight){
		.mapping = mapping,
		.start = (uint8_t *)mapping->start + request->mmap_offset_bytes,
		.queue_bytes = part_bytes,
		.queue_count = request->queue_count,
	};
	return 0;
}

int session_set_inflight_fd(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_inflight request = message->payload.inflight;
	int result = check_request(session, &request, error);

	if (result < 0)
		return result;
	if (message->fd_count == 0)
		return error_set(error, -EINVAL, "the in-flight region came without its file");
	result = map_region(session, &request, message->fds[0]);
	if (result < 0)
		return error_set(error, result, "the in-flight region cannot be mapped: %s",
			strerror(-result));
	return 0;
}
