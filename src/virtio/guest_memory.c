#include "virtio/guest_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

void guest_memory_init(struct guest_memory *memory)
{
	memset(memory, 0, sizeof *memory);
}

/* ---- adding and removing regions ---- */

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a < b + b_size && b < a + a_size;
}

static bool range_wraps(uint64_t start, uint64_t size_bytes)
{
	return start + size_bytes < start;
}

static uint64_t total_bytes(const struct guest_memory *memory)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < memory->region_count; i++)
		bytes += memory->regions[i].size_bytes;
	return bytes;
}

static int check_region(const struct guest_memory *memory,
	const struct vhost_user_memory_region *region, struct error *error)
{
	if (region->size_bytes == 0 || range_wraps(region->guest_address, region->size_bytes) ||
		range_wraps(region->user_address, region->size_bytes) ||
		range_wraps(region->mmap_offset, region->size_bytes))
		return error_set(error, -EINVAL,
			"memory region at 0x%" PRIx64 ": impossible size 0x%" PRIx64,
			region->guest_address, region->size_bytes);
	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct guest_region *other = &memory->regions[i];

		if (ranges_overlap(region->guest_address, region->size_bytes, other->guest_address,
			    other->size_bytes))
			return error_set(error, -EINVAL,
				"memory region at 0x%" PRIx64 " overlaps the one at 0x%" PRIx64,
				region->guest_address, other->guest_address);
	}
	if (memory->region_count == GUEST_MEMORY_REGIONS_MAX)
		return error_set(
			error, -ENOSPC, "more than %u memory regions", GUEST_MEMORY_REGIONS_MAX);
	if (region->size_bytes > GUEST_MEMORY_BYTES_MAX - total_bytes(memory))
		return error_set(error, -ENOSPC, "more than %llu TiB of memory",
			GUEST_MEMORY_BYTES_MAX >> 40);
	return 0;
}

static int check_file(const struct vhost_user_memory_region *region, int fd, uint64_t *page_bytes,
	struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(
			error, -errno, "memory region without a usable file: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL,
			"memory region is not a memfd or a file; share guest memory with "
			"memory-backend-memfd,share=on");
	if ((uint64_t)status.st_size < region->mmap_offset + region->size_bytes)
		return error_set(error, -EINVAL,
			"memory region at 0x%" PRIx64 " is larger than its file",
			region->guest_address);
	/* On hugetlbfs this is the huge page's size, which mappings must be aligned to. */
	*page_bytes = (uint64_t)status.st_blksize;
	return 0;
}

int guest_memory_add(struct guest_memory *memory, const struct vhost_user_memory_region *region,
	int fd, struct error *error)
{
	struct guest_region *added = &memory->regions[memory->region_count];
	uint64_t page_bytes = 1, start, size_bytes;
	int result;

	result = check_region(memory, region, error);
	if (result < 0)
		return result;
	result = check_file(region, fd, &page_bytes, error);
	if (result < 0)
		return result;
	start = region->mmap_offset / page_bytes * page_bytes;
	size_bytes = region->mmap_offset - start + region->size_bytes;
	size_bytes = (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
	result = mapping_guard_map(fd, (off_t)start, size_bytes, &added->mapping);
	if (result == -EOPNOTSUPP)
		return error_set(error, result,
			"memory region is a file of a file system that another process may serve; "
			"share guest memory with memory-backend-memfd,share=on");
	if (result < 0)
		return error_set(error, result, "cannot map memory region at 0x%" PRIx64 ": %s",
			region->guest_address, strerror(-result));
	added->guest_address = region->guest_address;
	added->user_address = region->user_address;
	added->size_bytes = region->size_bytes;
	added->host = (uint8_t *)added->mapping->start + (region->mmap_offset - start);
	memory->region_count++;
	return 0;
}

int guest_memory_remove(struct guest_memory *memory, const struct vhost_user_memory_region *region)
{
	for (unsigned i = 0; i < memory->region_count; i++) {
		struct guest_region *candidate = &memory->regions[i];

		if (candidate->guest_address != region->guest_address ||
			candidate->user_address != region->user_address ||
			candidate->size_bytes != region->size_bytes)
			continue;
		mapping_guard_unmap(candidate->mapping);
		*candidate = memory->regions[--memory->region_count];
		memory->last_hit = 0;
		return 0;
	}
	return -ENOENT;
}

void guest_memory_clear(struct guest_memory *memory)
{
	for (unsigned i = 0; i < memory->region_count; i++)
		mapping_guard_unmap(memory->regions[i].mapping);
	dirty_log_unmap(&memory->log);
	guest_memory_init(memory);
}

/* ---- translating addresses ---- */

static bool region_holds(const struct guest_region *region, uint64_t guest_address)
{
	return guest_address - region->guest_address < region->size_bytes;
}

static struct guest_region *find_region(struct guest_memory *memory, uint64_t guest_address)
{
	if (memory->last_hit < memory->region_count &&
		region_holds(&memory->regions[memory->last_hit], guest_address))
		return &memory->regions[memory->last_hit];
	for (unsigned i = 0; i < memory->region_count; i++)
		if (region_holds(&memory->regions[i], guest_address)) {
			memory->last_hit = i;
			return &memory->regions[i];
		}
	return NULL;
}

void *guest_memory_span(
	struct guest_memory *memory, uint64_t guest_address, uint64_t *available_bytes)
{
	struct guest_region *region = find_region(memory, guest_address);
	uint64_t offset;

	if (!region)
		return NULL;
	offset = guest_address - region->guest_address;
	*available_bytes = region->size_bytes - offset;
	return region->host + offset;
}

void *guest_memory_at(struct guest_memory *memory, uint64_t guest_address, uint64_t size_bytes)
{
	uint64_t available_bytes;
	void *host = guest_memory_span(memory, guest_address, &available_bytes);

	return host && available_bytes >= size_bytes ? host : NULL;
}

void *guest_memory_at_user_address(
	struct guest_memory *memory, uint64_t user_address, uint64_t size_bytes)
{
	for (unsigned i = 0; i < memory->region_count; i++) {
		struct guest_region *region = &memory->regions[i];
		uint64_t offset = user_address - region->user_address;

		if (offset < region->size_bytes && region->size_bytes - offset >= size_bytes)
			return region->host + offset;
	}
	return NULL;
}

bool guest_memory_is_lost(const struct guest_memory *memory)
{
	for (unsigned i = 0; i < memory->region_count; i++)
		if (__atomic_load_n(&memory->regions[i].mapping->is_lost, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

void guest_memory_mark_dirty(struct guest_memory *memory, const void *host, uint64_t size_bytes)
{
	if (!memory->log.bits)
		return;
	for (unsigned i = 0; i < memory->region_count; i++) {
		struct guest_region *region = &memory->regions[i];
		uint64_t offset = (uint64_t)((const uint8_t *)host - region->host);

		if (offset < region->size_bytes) {
			dirty_log_mark(&memory->log, region->guest_address + offset, size_bytes);
			return;
		}
	}
}
