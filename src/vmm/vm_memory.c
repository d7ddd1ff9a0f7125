#include "vmm/vm_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/units.h"
#include "vmm/layout.h"

#define HUGE_PAGE_BYTES ((uint64_t)2 << 20)

/* Back ends map the file and must not be hit by SIGBUS: its size is sealed. */
static int create_file(uint64_t size_bytes, unsigned flags)
{
	int fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	int result;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size_bytes) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

/*
 * At a multiple of a huge page, or neither transparent ones nor KVM's own tables could be huge.
 * Reserves huge pages, if the file is of them: later accesses cannot fail.
 */
static uint8_t *map_aligned(int fd, uint64_t size_bytes)
{
	uint64_t reserved_bytes = size_bytes + HUGE_PAGE_BYTES, before_bytes;
	uint8_t *reserved = mmap(NULL, reserved_bytes, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	void *mapped;

	if (reserved == MAP_FAILED)
		return NULL;
	before_bytes = -(uintptr_t)reserved % HUGE_PAGE_BYTES;
	mapped = mmap(reserved + before_bytes, size_bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_FIXED, fd, 0);
	if (mapped == MAP_FAILED) {
		int saved_errno = errno;

		munmap(reserved, reserved_bytes);
		errno = saved_errno;
		return NULL;
	}
	if (before_bytes)
		munmap(reserved, before_bytes);
	if (before_bytes < HUGE_PAGE_BYTES)
		munmap((uint8_t *)mapped + size_bytes, HUGE_PAGE_BYTES - before_bytes);
	return mapped;
}

static int map_file(struct vm_memory *memory, unsigned flags)
{
	int result;

	memory->fd = create_file(memory->size_bytes, flags);
	if (memory->fd < 0)
		return memory->fd;
	memory->host = map_aligned(memory->fd, memory->size_bytes);
	if (memory->host)
		return 0;
	result = -errno;
	close(memory->fd);
	return result;
}

static int map_huge(struct vm_memory *memory)
{
	int result = map_file(memory, MFD_HUGETLB | MFD_HUGE_2MB);

	memory->has_huge_pages = result == 0;
	return result;
}

static int map_small(struct vm_memory *memory)
{
	int result = map_file(memory, 0);

	if (result == 0) /* as a wish: transparent huge pages may be off */
		(void)madvise(memory->host, memory->size_bytes, MADV_HUGEPAGE);
	return result;
}

static int map(struct vm_memory *memory, enum huge_pages huge_pages, struct error *error)
{
	char size[UNITS_TEXT_BYTES];
	int result = -ENOMEM;

	if (huge_pages != HUGE_PAGES_NEVER)
		result = map_huge(memory);
	if (result < 0 && huge_pages == HUGE_PAGES_ALWAYS)
		return error_set(error, -ENOMEM,
			"%" PRIu64 " huge pages of 2 MiB are not free (%s); raise "
			"/proc/sys/vm/nr_hugepages, or let huge pages be used only if there are "
			"any",
			memory->size_bytes / HUGE_PAGE_BYTES, strerror(-result));
	if (result < 0)
		result = map_small(memory);
	if (result < 0)
		return error_set(error, -ENOMEM, "there are no %s of memory for the guest: %s",
			units_format_bytes(size, memory->size_bytes), strerror(-result));
	return 0;
}

/* Have the host's memory now, or say so: later, the lack of it would kill the guest. */
static int prefault(const struct vm_memory *memory, struct error *error)
{
	char size[UNITS_TEXT_BYTES];
	int result;

	do
		result = madvise(memory->host, memory->size_bytes, MADV_POPULATE_WRITE);
	while (result < 0 && errno == EINTR);
	if (result == 0)
		return 0;
	return error_set(error, -ENOMEM,
		"the host has no %s of free memory for the guest (%s); free some, or give the "
		"guest "
		"less",
		units_format_bytes(size, memory->size_bytes), strerror(errno));
}

static void divide(struct vm_memory *memory)
{
	uint64_t low_bytes = memory->size_bytes;

	if (low_bytes > LAYOUT_LOW_RAM_END)
		low_bytes = LAYOUT_LOW_RAM_END;
	memory->regions[0] = (struct vm_memory_region){
		.guest_address = 0,
		.size_bytes = low_bytes,
		.file_offset = 0,
		.host = memory->host,
	};
	memory->region_count = 1;
	if (memory->size_bytes == low_bytes)
		return;
	memory->regions[1] = (struct vm_memory_region){
		.guest_address = LAYOUT_HIGH_RAM_START,
		.size_bytes = memory->size_bytes - low_bytes,
		.file_offset = low_bytes,
		.host = memory->host + low_bytes,
	};
	memory->region_count = 2;
}

int vm_memory_create(
	struct vm_memory *memory, const struct vm_memory_config *config, struct error *error)
{
	int result;

	if (config->size_bytes == 0 || config->size_bytes % HUGE_PAGE_BYTES ||
		config->size_bytes > INT64_MAX / 2)
		return error_set(error, -EINVAL,
			"%" PRIu64 " bytes of memory: must be a multiple of 2 MiB, and not 0",
			config->size_bytes);
	*memory = (struct vm_memory){.size_bytes = config->size_bytes};
	result = map(memory, config->huge_pages, error);
	if (result < 0)
		return result;
	/* A core dump of the VMM is about the VMM, and the guest's secrets are its own. */
	(void)madvise(memory->host, memory->size_bytes, MADV_DONTDUMP);
	if (config->is_prefaulted)
		result = prefault(memory, error);
	if (result < 0)
		vm_memory_destroy(memory);
	else
		divide(memory);
	return result;
}

void vm_memory_destroy(struct vm_memory *memory)
{
	munmap(memory->host, memory->size_bytes);
	close(memory->fd);
	*memory = (struct vm_memory){.fd = -1};
}

int vm_memory_give(const struct vm_memory *memory, int vm_fd, struct error *error)
{
	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct vm_memory_region *region = &memory->regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->guest_address,
			.memory_size = region->size_bytes,
			.userspace_addr = (uintptr_t)region->host,
		};

		if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
			return error_set(error, -errno,
				"KVM does not take the guest's memory at 0x%" PRIx64 ": %s",
				region->guest_address, strerror(errno));
	}
	return 0;
}

void *vm_memory_at(const struct vm_memory *memory, uint64_t guest_address, uint64_t size_bytes)
{
	for (unsigned i = 0; i < memory->region_count; i++) {
		const struct vm_memory_region *region = &memory->regions[i];
		uint64_t offset = guest_address - region->guest_address;

		if (offset <= region->size_bytes && size_bytes <= region->size_bytes - offset)
			return region->host + offset;
	}
	return NULL;
}
