#include "virtio/mapping_guard.h"

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define ZFS_MAGIC 0x2fc12fc1u /* not in Linux's own list */

static struct guarded_mapping mappings[GUARDED_MAPPINGS_MAX];
static unsigned mapping_limit; /* no entry from here on has ever been used */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t handler_once = PTHREAD_ONCE_INIT;

static struct guarded_mapping *find_mapping(uintptr_t address)
{
	unsigned limit = __atomic_load_n(&mapping_limit, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < limit; i++) {
		uintptr_t start = __atomic_load_n(&mappings[i].start, __ATOMIC_ACQUIRE);

		if (start && address >= start && address - start < mappings[i].size_bytes)
			return &mappings[i];
	}
	return NULL;
}

static void handle_sigbus(int signal_number, siginfo_t *info, void *context)
{
	struct guarded_mapping *mapping = find_mapping((uintptr_t)info->si_addr);
	int saved_errno = errno;

	if (!mapping || mmap((void *)mapping->start, mapping->size_bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
				0) == MAP_FAILED) {
		/* Not ours: the access faults again when this returns, and that ends the process. */
		signal(SIGBUS, SIG_DFL);
		return;
	}
	__atomic_store_n(&mapping->is_lost, 1, __ATOMIC_RELEASE);
	errno = saved_errno;
}

static void install_handler(void)
{
	struct sigaction action = {.sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

static struct guarded_mapping *claim_entry(void)
{
	unsigned i;

	for (i = 0; i < mapping_limit; i++)
		if (!mappings[i].start)
			return &mappings[i];
	if (i == GUARDED_MAPPINGS_MAX)
		return NULL;
	__atomic_store_n(&mapping_limit, i + 1, __ATOMIC_RELEASE);
	return &mappings[i];
}

/* An unknown file system is no good: one can be stacked on FUSE. */
static int check_file_system(int fd)
{
	static const uint64_t types[] = {TMPFS_MAGIC, HUGETLBFS_MAGIC, RAMFS_MAGIC,
		EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, ZFS_MAGIC};
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if ((uint64_t)status.f_type == types[i])
			return 0;
	return -EOPNOTSUPP;
}

int mapping_guard_map(int fd, off_t offset, size_t size_bytes, struct guarded_mapping **mapping)
{
	struct guarded_mapping *entry;
	int result = check_file_system(fd);
	void *start;

	if (result < 0)
		return result;
	start = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
	if (start == MAP_FAILED)
		return -errno;
	/* A guest's memory has no place in a core dump of the daemon. */
	madvise(start, size_bytes, MADV_DONTDUMP);
	pthread_once(&handler_once, install_handler);

	pthread_mutex_lock(&table_lock);
	entry = claim_entry();
	if (entry) {
		entry->size_bytes = size_bytes;
		entry->is_lost = 0;
		__atomic_store_n(&entry->start, (uintptr_t)start, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&table_lock);
	if (!entry) {
		munmap(start, size_bytes);
		return -ENOSPC;
	}
	*mapping = entry;
	return 0;
}

int mapping_guard_check_bookkeeping(int fd, uint64_t end_bytes)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || (uint64_t)status.st_size < end_bytes ||
		end_bytes > BOOKKEEPING_BYTES_MAX)
		return -EINVAL;
	return 0;
}

int mapping_guard_map_bookkeeping(int fd, uint64_t end_bytes, struct guarded_mapping **mapping)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);

	end_bytes = (end_bytes + page_bytes - 1) / page_bytes * page_bytes;
	return mapping_guard_map(fd, 0, end_bytes, mapping);
}

void mapping_guard_unmap(struct guarded_mapping *mapping)
{
	void *start = (void *)mapping->start;
	size_t size_bytes = mapping->size_bytes;

	pthread_mutex_lock(&table_lock);
	__atomic_store_n(&mapping->start, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&table_lock);
	munmap(start, size_bytes);
}
