#include "virtio/dirty_log.h"

#include <errno.h>

int dirty_log_map(struct dirty_log *log, int fd, uint64_t offset_bytes, uint64_t size_bytes)
{
	uint64_t end;
	int result;

	if (size_bytes == 0 || __builtin_add_overflow(offset_bytes, size_bytes, &end))
		return -EINVAL;
	result = mapping_guard_check_bookkeeping(fd, end);
	if (result < 0)
		return result;
	dirty_log_unmap(log);
	result = mapping_guard_map_bookkeeping(fd, end, &log->mapping);
	if (result < 0)
		return result;
	log->bits = (uint8_t *)log->mapping->start + offset_bytes;
	log->size_bytes = size_bytes;
	return 0;
}

void dirty_log_unmap(struct dirty_log *log)
{
	if (log->bits)
		mapping_guard_unmap(log->mapping);
	*log = (struct dirty_log){0};
}

void dirty_log_mark(struct dirty_log *log, uint64_t guest_address, uint64_t size_bytes)
{
	uint64_t page = guest_address / DIRTY_LOG_PAGE_BYTES;
	uint64_t last = (guest_address + size_bytes - 1) / DIRTY_LOG_PAGE_BYTES;

	if (!log->bits || size_bytes == 0)
		return;
	for (; page <= last && page / 8 < log->size_bytes; page++)
		__atomic_fetch_or(
			&log->bits[page / 8], (uint8_t)(1u << page % 8), __ATOMIC_RELAXED);
}
