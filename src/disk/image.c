#include "disk/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"

#define BLOCK_BYTES 512u

static LIST_HEAD(, image) open_images = LIST_HEAD_INITIALIZER(open_images);

/* A block device is the same by whatever node it is reached. */
static void identify(struct image *image, const struct stat *status)
{
	bool is_block_device = S_ISBLK(status->st_mode);

	image->identity_device = is_block_device ? status->st_rdev : status->st_dev;
	image->identity_inode = is_block_device ? 0 : status->st_ino;
}

bool image_is_open(const char *path)
{
	struct image wanted, *image;
	struct stat status;

	if (stat(path, &status) < 0)
		return false;
	identify(&wanted, &status);
	LIST_FOREACH (image, &open_images, link)
		if (image->identity_device == wanted.identity_device &&
			image->identity_inode == wanted.identity_inode)
			return true;
	return false;
}

static void enlist(struct image *image)
{
	struct stat status = {0};

	(void)fstat(image->fd, &status);
	identify(image, &status);
	LIST_INSERT_HEAD(&open_images, image, link);
}

/* Both ways to write a size: one to read, one to compare. */
struct size_text {
	char text[UNITS_TEXT_BYTES + 32];
};

static const char *format_size(struct size_text *size, uint64_t size_bytes)
{
	char units[UNITS_TEXT_BYTES];

	snprintf(size->text, sizeof size->text, "%s (%" PRIu64 " bytes)",
		units_format_bytes(units, size_bytes), size_bytes);
	return size->text;
}

/* Make the new name durable too: a flush promises that the data can be found again. */
static void sync_directory(const char *path)
{
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof copy, "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static int create_file(
	const struct backend_options *options, struct image *image, struct error *error)
{
	if (options->is_read_only || !options->size_bytes)
		return error_set(error, -ENOENT, "%s: does not exist%s", options->path,
			options->is_read_only ? "" : "; give the disk a size to create it");
	image->fd = open(options->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (image->fd < 0)
		return error_set(error, -errno, "%s: cannot be created: %s%s", options->path,
			strerror(errno), errno == ENOENT ? "; make its directory" : "");
	image->is_created = true;
	sync_directory(options->path);
	return 0;
}

static int open_or_create(
	const struct backend_options *options, struct image *image, struct error *error)
{
	struct stat status;

	if (stat(options->path, &status)) {
		if (errno == ENOENT)
			return create_file(options, image, error);
		return error_set(error, -errno, "%s: %s", options->path, strerror(errno));
	}
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return error_set(error, -EINVAL, "%s: neither a regular file nor a block device",
			options->path);
	image->is_block_device = S_ISBLK(status.st_mode);
	image->fd = image_open_existing(
		options->path, image->is_block_device, options->is_read_only, error);
	return image->fd < 0 ? image->fd : 0;
}

static int read_size(
	const struct image *image, const char *path, uint64_t *size_bytes, struct error *error)
{
	struct stat status;

	if (image->is_block_device) {
		if (ioctl(image->fd, BLKGETSIZE64, size_bytes))
			return error_set(error, -errno, "%s: the device does not tell its size: %s",
				path, strerror(errno));
		return 0;
	}
	if (fstat(image->fd, &status))
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	*size_bytes = (uint64_t)status.st_size;
	return 0;
}

static int check_size(const char *path, uint64_t size_bytes, struct error *error)
{
	if (!size_bytes)
		return error_set(error, -EINVAL, "%s: is empty; give the disk a size", path);
	if (size_bytes % BLOCK_BYTES)
		return error_set(error, -EINVAL,
			"%s: a size of %" PRIu64
			" bytes is not a multiple of 512; 'truncate -s %%512 "
			"%s' pads the file",
			path, size_bytes, path);
	return 0;
}

static int refuse_to_shrink(
	const char *path, uint64_t there_bytes, uint64_t wanted_bytes, struct error *error)
{
	struct size_text there, wanted;

	return error_set(error, -EINVAL,
		"%s: holds %s, more than the disk's size of %s, and is not cut off; give the disk "
		"the larger size",
		path, format_size(&there, there_bytes), format_size(&wanted, wanted_bytes));
}

/* Files of /proc take any size and stay as they are; one of them is this process's memory. */
static bool has_size(const struct image *image, uint64_t size_bytes)
{
	struct stat status;

	if (!fstat(image->fd, &status) && (uint64_t)status.st_size == size_bytes)
		return true;
	errno = EOPNOTSUPP;
	return false;
}

/* Let a file grow from `there_bytes`; what is added is a hole. */
static int grow(struct image *image, const char *path, uint64_t there_bytes, uint64_t wanted_bytes,
	struct error *error)
{
	struct size_text there, wanted;

	if (!image->is_block_device && wanted_bytes <= INT64_MAX &&
		!ftruncate(image->fd, (off_t)wanted_bytes) && has_size(image, wanted_bytes))
		return 0;
	return error_set(error, image->is_block_device ? -EINVAL : -errno,
		"%s: has %s and cannot grow to %s: %s", path, format_size(&there, there_bytes),
		format_size(&wanted, wanted_bytes),
		image->is_block_device ? "it is a device" : strerror(errno));
}

/* Bring the image to `wanted_bytes` (0: as it is), and image->size_bytes up to date. */
static int settle_size(
	struct image *image, const char *path, uint64_t wanted_bytes, struct error *error)
{
	uint64_t there_bytes = 0;
	int code = read_size(image, path, &there_bytes, error);

	if (!code)
		code = check_size(path, wanted_bytes ? wanted_bytes : there_bytes, error);
	if (!code && wanted_bytes && wanted_bytes < there_bytes)
		code = refuse_to_shrink(path, there_bytes, wanted_bytes, error);
	if (!code && wanted_bytes > there_bytes)
		code = grow(image, path, there_bytes, wanted_bytes, error);
	if (!code)
		image->size_bytes = wanted_bytes ? wanted_bytes : there_bytes;
	return code;
}

static void unlock_and_close(struct image *image)
{
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	if (!image->is_block_device)
		(void)fcntl(image->fd, F_OFD_SETLK, &unlock);
	close(image->fd);
	image->fd = -1;
}

int image_open(const struct backend_options *options, struct image *image, struct error *error)
{
	int code;

	*image = (struct image){.fd = -1, .memory_alignment_bytes = 1};
	code = open_or_create(options, image, error);
	if (code)
		return code;
	if (!image->is_block_device)
		code = image_lock(image->fd, options->path, options->is_read_only, error);
	if (!code)
		code = settle_size(image, options->path, options->size_bytes, error);
	if (code)
		goto fail;
	if (!options->use_page_cache)
		image_probe_direct(image, options->path);
	image->block_bytes = image_probe_block_bytes(image);
	image->can_discard = !options->is_read_only && image_probe_discard(image);
	enlist(image);
	return 0;
fail:
	if (image->is_created)
		unlink(options->path);
	unlock_and_close(image);
	return code;
}

int image_refresh(struct image *image, const char *path, uint64_t size_bytes, struct error *error)
{
	return settle_size(image, path, size_bytes, error);
}

void image_close(struct image *image)
{
	LIST_REMOVE(image, link);
	unlock_and_close(image);
}
