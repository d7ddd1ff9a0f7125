/* A disk as the files of this room know it. */
#ifndef SLUICE_DISK_DISK_PRIVATE_H
#define SLUICE_DISK_DISK_PRIVATE_H

#include "device/served_queue.h"
#include "disk/blk_request.h"
#include "disk/disk.h"
#include "disk/pool_private.h"
#include "virtio/vhost_user_backend.h"

/* One virtqueue of a disk, served by the pool's sidecore while it runs. */
struct disk_queue {
	struct served_queue served;
	struct disk *disk;
	struct blk_request *requests; /* as many as the ring has descriptors */
	struct blk_request *free_requests;
};

struct disk {
	struct disk_config config;
	struct pool *pool;
	struct backend *backend;
	struct pool_member member;
	struct vhost_user_backend *vhost;
	struct served_device served;

	/* Control threads only. */
	bool is_leaving;

	/* The sidecore only, once a queue has started. */
	uint64_t size_bytes;	       /* what requests are checked against */
	uint64_t sequential_offset[2]; /* where the last read and the last write ended */
	bool is_write_through;	       /* the driver does not flush */
	bool is_abandoned;	       /* nothing is taken from its rings, or sent to the device */
	uint64_t reads, writes, flushes, discards, write_zeroes;
	uint64_t read_bytes, write_bytes;
	uint64_t errors;
	uint64_t in_flight;

	/* Written by one thread, read by others. */
	uint32_t is_connected;
	uint64_t connections;

	struct disk_queue queues[DISK_QUEUES_MAX];
};

extern const struct vhost_user_operations disk_operations;

/* ---- disk_queue.c: the operations of vhost_user_backend.h on a disk's queue `index` ---- */

int disk_queue_start(struct disk *disk, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error);
uint32_t disk_queue_stop(struct disk *disk, unsigned index);
void disk_queue_set_call(struct disk *disk, unsigned index, int call_fd);

/*
 * Nobody waits for the answers any more: take nothing from the rings until the next front end comes,
 * and let go of the requests that are not at the device. They stay in the in-flight region.
 */
void disk_abandon_requests(struct disk *disk);

/* On the sidecore: a request is done; give its chain back. */
void disk_queue_finish(
	struct disk_queue *queue, struct blk_request *request, uint32_t written_bytes);

/* On the sidecore: a request of an abandoned disk will not be done. */
void disk_queue_drop(struct disk_queue *queue, struct blk_request *request);

#endif
