/*
 * An image: the file or block device that holds a disk's bytes, opened, locked, sized and ready for
 * I/O. Everything here blocks, and is for control threads.
 */
#ifndef SLUICE_DISK_IMAGE_H
#define SLUICE_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/error.h"
#include "disk/backend.h"

struct image {
	int fd;
	dev_t identity_device; /* of the file, or the block device itself */
	ino_t identity_inode;
	LIST_ENTRY(image) link; /* in the list of this process's images */
	uint64_t size_bytes;
	uint32_t block_bytes;		 /* what the device or file system changes at once */
	uint32_t memory_alignment_bytes; /* of every segment's address and length; 1: any */
	bool is_block_device;
	bool is_created; /* it was not there before */
	bool is_direct;	 /* O_DIRECT is in use */
	bool can_discard;
};

/*
 * Open the image that `options` describe, creating a sparse file or letting it grow where they say
 * so, and never cutting off or overwriting what is there.
 *
 * A writable image is locked against every other program that locks it (a file by an OFD lock, a
 * block device by O_EXCL), a read-only one against those that write. A lock that is held is waited
 * for a few seconds, unless by this process: the kernel keeps that of a killed daemon until its last
 * write has ended. The image stays where it is until it is closed.
 *
 * Returns 0, or a negative errno with the reason in `error`: -ENOENT, -EBUSY (it is in use),
 * -EINVAL (sizes do not fit), ...
 */
int image_open(const struct backend_options *options, struct image *image, struct error *error);

/* See backend_ops.refresh_size. */
int image_refresh(struct image *image, const char *path, uint64_t size_bytes, struct error *error);

/* Unlock and close, which is the same, but for those who still hold the file (an io_uring). */
void image_close(struct image *image);

/* ---- image_path.c ---- */

/*
 * Where a disk's image is: `image` below its pool's path, or by itself if it begins with '/'. Without
 * one (""), it is what the pool's path says if that is a block device, and otherwise NAME.img below it.
 *
 * Returns 0, or -ENAMETOOLONG if `path`, of `size` bytes, cannot hold it.
 */
int image_path(const char *pool_path, const char *image, const char *name, char *path, size_t size);

/* Is the file or device that this names open as an image of this process? */
bool image_is_open(const char *path);

/* ---- image_lock.c ---- */

/* Open an existing file or device. Returns the descriptor, or a negative errno with `error` set. */
int image_open_existing(
	const char *path, bool is_block_device, bool is_read_only, struct error *error);

/* Lock a file. Returns 0 or a negative errno with `error` set. */
int image_lock(int fd, const char *path, bool is_read_only, struct error *error);

/* ---- image_probe.c ---- */

/* Use O_DIRECT if 512-byte blocks can be had that way; log a line if not. */
void image_probe_direct(struct image *image, const char *path);

/* The block that can be written without reading what is around it: a power of two from 512 to 4096. */
uint32_t image_probe_block_bytes(const struct image *image);

/* Find out, without touching data, whether space can be given back. */
bool image_probe_discard(const struct image *image);

#endif
