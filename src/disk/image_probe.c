/*
 * What can be done with an image: O_DIRECT and discards.
 *
 * Theory of operation. O_DIRECT wants offsets, lengths and addresses aligned, and only the file
 * system knows how far. statx(STATX_DIOALIGN) tells since Linux 6.1, where the file system takes
 * part; elsewhere an attempt to read shows it. Guests see 512-byte blocks, so where O_DIRECT needs
 * larger ones the page cache is used, which can do any.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "disk/image.h"

#define BLOCK_BYTES 512u
#define PAGE_BYTES 4096u

/* What O_DIRECT needs of a transfer. */
struct alignment {
	uint32_t memory_bytes; /* 0: O_DIRECT is impossible */
	uint32_t offset_bytes;
};

/* Returns false if the file system does not say. */
static bool ask_alignment(int fd, struct alignment *alignment)
{
#ifdef STATX_DIOALIGN
	struct statx status;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) ||
		!(status.stx_mask & STATX_DIOALIGN))
		return false;
	alignment->memory_bytes = status.stx_dio_mem_align;
	alignment->offset_bytes = status.stx_dio_offset_align;
	return true;
#else
	return false;
#endif
}

/* Read a block into memory that is aligned to `memory_bytes`, and no better. */
static bool can_read_direct(int fd, uint32_t memory_bytes)
{
	char *memory = aligned_alloc((size_t)2 * PAGE_BYTES, (size_t)2 * PAGE_BYTES);
	bool can_read;

	if (!memory)
		return false;
	can_read = pread(fd, memory + memory_bytes, BLOCK_BYTES, 0) >= 0;
	free(memory);
	return can_read;
}

static struct alignment try_alignment(int fd)
{
	if (can_read_direct(fd, BLOCK_BYTES))
		return (struct alignment){BLOCK_BYTES, BLOCK_BYTES};
	if (can_read_direct(fd, PAGE_BYTES))
		return (struct alignment){PAGE_BYTES, BLOCK_BYTES};
	return (struct alignment){PAGE_BYTES, PAGE_BYTES};
}

/* Returns what speaks against O_DIRECT, or NULL. */
static const char *choose_alignment(int fd, struct alignment *alignment)
{
	if (!ask_alignment(fd, alignment))
		*alignment = try_alignment(fd);
	if (!alignment->memory_bytes)
		return "the file system cannot do it for this file";
	if (alignment->offset_bytes > BLOCK_BYTES)
		return "it needs blocks larger than the guest's 512 bytes";
	if (alignment->memory_bytes > PAGE_BYTES)
		return "it needs memory aligned to more than a page";
	return NULL;
}

void image_probe_direct(struct image *image, const char *path)
{
	int flags = fcntl(image->fd, F_GETFL);
	struct alignment alignment;
	const char *reason;

	if (fcntl(image->fd, F_SETFL, flags | O_DIRECT)) {
		log_warning("%s: using the page cache, as O_DIRECT is refused: %s", path,
			strerror(errno));
		return;
	}
	reason = choose_alignment(image->fd, &alignment);
	if (reason) {
		fcntl(image->fd, F_SETFL, flags);
		log_warning("%s: using the page cache, not O_DIRECT: %s", path, reason);
		return;
	}
	image->is_direct = true;
	image->memory_alignment_bytes = alignment.memory_bytes;
}

uint32_t image_probe_block_bytes(const struct image *image)
{
	unsigned block_bytes = 0;
	struct stat status;

	if (image->is_block_device)
		(void)ioctl(image->fd, BLKPBSZGET, &block_bytes);
	else if (fstat(image->fd, &status) == 0)
		block_bytes = (unsigned)status.st_blksize;
	if (block_bytes > PAGE_BYTES)
		return PAGE_BYTES;
	return __builtin_popcount(block_bytes) == 1 && block_bytes > BLOCK_BYTES ? block_bytes
										 : BLOCK_BYTES;
}

/* Punch a hole behind the end, where there is nothing. */
static bool can_punch_holes(const struct image *image)
{
	uint64_t end_bytes = (image->size_bytes + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);

	return !fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)end_bytes,
		PAGE_BYTES);
}

/* A partition has no queue of its own, but its parent directory is its disk's. */
static bool device_can_discard(int fd)
{
	static const char *const queues[] = {"queue", "../queue"};
	uint64_t discard_bytes_max = 0;
	struct stat status;
	char path[128];

	if (fstat(fd, &status))
		return false;
	for (size_t i = 0; i < sizeof queues / sizeof *queues; i++) {
		FILE *file;

		snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s/discard_max_bytes",
			major(status.st_rdev), minor(status.st_rdev), queues[i]);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%" SCNu64, &discard_bytes_max) != 1)
			discard_bytes_max = 0;
		fclose(file);
		break;
	}
	return discard_bytes_max > 0;
}

bool image_probe_discard(const struct image *image)
{
	return image->is_block_device ? device_can_discard(image->fd) : can_punch_holes(image);
}
