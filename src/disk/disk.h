/*
 * A disk: a virtio-blk device served over vhost-user, with its back end and its place in a pool's
 * scheduler. The functions here are for control threads, serialized by the control plane.
 *
 * Each disk has a listening socket and a thread that answers vhost-user messages on it, one front end
 * at a time, for ever; the thread sleeps in between. Requests never touch that thread: the pool's
 * sidecore serves the rings.
 */
#ifndef SLUICE_DISK_DISK_H
#define SLUICE_DISK_DISK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "disk/pool.h"
#include "slo/slo.h"

#define DISK_NAME_BYTES 64
#define DISK_SERIAL_BYTES 20 /* virtio's VIRTIO_BLK_ID_BYTES */
#define DISK_QUEUES_MAX 64u
#define DISK_QUEUES_DEFAULT 4u

struct disk_config {
	char name[DISK_NAME_BYTES];
	char serial[DISK_SERIAL_BYTES + 1]; /* what get-id returns; empty: the name */
	char image[PATH_MAX];		    /* see image_path; may be empty */
	char socket_path[108];
	int socket_fd; /* a connected (or listening) socket to use instead, or -1 */
	void (*ended)(
		void); /* when a connected socket_fd has ended, on the disk's thread; or NULL */
	uint64_t size_bytes; /* created sparse at this size; 0: the size of what is there */
	bool is_read_only;
	unsigned queue_count; /* 1 to DISK_QUEUES_MAX */
	struct slo slo;
};

struct disk;

/*
 * Open the image, ask for admission, and begin to listen.
 *
 * Returns 0, or a negative errno with `error` set: -ENOSPC if the SLO cannot be promised, -EADDRINUSE
 * if another process serves the socket (a dead one's socket file is replaced), the back end's errors.
 */
int disk_create(struct pool *pool, const struct disk_config *config, struct disk **disk,
	struct error *error);

/* Disconnect the front end, wait until no request is in flight, remove the socket, close the image. */
void disk_destroy(struct disk *disk);

/*
 * The same, but a device that hangs does not hold up the caller for longer than `timeout_ms`. Then
 * returns -EBUSY, the requests counted in `error`; the disk serves nobody, but keeps its name, its
 * image and its promises until this is called again and succeeds.
 */
int disk_try_destroy(struct disk *disk, int timeout_ms, struct error *error);

/*
 * Let the guest see another size; with 0, the one that the image has been given by somebody else.
 *
 * Returns 0; -EINVAL for a size that the image cannot have (a file only grows, a device does not);
 * -EOPNOTSUPP if the back end has no image; what the file system says; with `error` set.
 */
int disk_resize(struct disk *disk, uint64_t size_bytes, struct error *error);

/* Change the SLO under running I/O. Returns 0, -EINVAL or -ENOSPC with `error` set. */
int disk_set_slo(struct disk *disk, const struct slo *slo, struct error *error);

const struct disk_config *disk_config(const struct disk *disk);
struct pool *disk_pool(const struct disk *disk);

/* The path of the disk's image; empty if its back end has none. `size` is PATH_MAX at least. */
void disk_image(const struct disk *disk, char *path, size_t size);

struct disk_statistics {
	bool is_connected;   /* a front end is there */
	bool is_leaving;     /* it is being removed, and waits for its device */
	bool is_broken;	     /* its driver broke the protocol; its rings are stopped */
	bool is_direct;	     /* O_DIRECT is in use */
	uint64_t size_bytes; /* as it is now */
	uint64_t reads, writes, flushes, discards, write_zeroes;
	uint64_t read_bytes, write_bytes;
	uint64_t errors; /* requests answered with an error */
	uint64_t in_flight;
	uint64_t reconnects;
};
void disk_statistics(const struct disk *disk, struct disk_statistics *statistics);

/* The audit of a tier; tier == tier_count is best effort. See flow_audit. */
const struct tier_audit *disk_audit(const struct disk *disk, unsigned tier);

#endif
