/* vhost-user messages about memory: the table, memory slots, the dirty log. */
#include <errno.h>
#include <string.h>

#include "virtio/vhost_user_session.h"

static int add_region(struct vhost_user_session *session, struct vhost_user_message *message,
	const struct vhost_user_memory_region *region, unsigned fd_index, struct error *error)
{
	if (fd_index >= message->fd_count)
		return error_set(error, -EINVAL, "a memory region came without its file");
	/* The mapping keeps the file; the descriptor is closed with the message. */
	return guest_memory_add(&session->memory, region, message->fds[fd_index], error);
}

int session_set_mem_table(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	const struct vhost_user_memory_table *table = &message->payload.memory_table;
	struct dirty_log log = session->memory.log;
	int result = 0;

	if (table->region_count > VHOST_USER_TABLE_REGIONS_MAX)
		return error_set(error, -EINVAL, "a memory table has at most %u regions, not %u",
			VHOST_USER_TABLE_REGIONS_MAX, table->region_count);
	/* The table replaces the memory, not the log. */
	session->memory.log = (struct dirty_log){0};
	guest_memory_clear(&session->memory);
	session->memory.log = log;
	for (unsigned i = 0; i < table->region_count && result == 0; i++) {
		struct vhost_user_memory_region region = table->regions[i];

		result = add_region(session, message, &region, i, error);
	}
	return result;
}

int session_add_mem_reg(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	return add_region(session, message, &message->payload.one_region.region, 0, error);
}

int session_rem_mem_reg(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	const struct vhost_user_memory_region *region = &message->payload.one_region.region;
	int result = guest_memory_remove(&session->memory, region);

	if (result < 0)
		return error_set(error, result, "there is no memory region at 0x%llx of that size",
			(unsigned long long)region->guest_address);
	return 0;
}

int session_get_max_mem_slots(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	message->payload.u64 = GUEST_MEMORY_REGIONS_MAX;
	return 0;
}

int session_set_log_base(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_log log = message->payload.log;
	int result = -EINVAL;

	if (message->fd_count > 0)
		result = dirty_log_map(
			&session->memory.log, message->fds[0], log.offset_bytes, log.size_bytes);
	/* The reply has no descriptors, and its payload means nothing. */
	vhost_user_close_fds(message);
	message->fd_count = 0;
	message->payload.u64 = 0;
	message->header.size_bytes = sizeof message->payload.u64;
	if (result < 0)
		return error_set(
			error, result, "the dirty log cannot be mapped: %s", strerror(-result));
	return 0;
}
