/*
 * A virtio-blk request (virtio 1.2, section 5.2.6) from the ring to the device and back.
 *
 * Theory of operation. A request is a series of steps, one after the other: mostly one transfer;
 * several where it is larger than what the pool schedules as one, one per range for discard and
 * write-zeroes, and a flush at the end of a write whose driver does not know about flushing. Every
 * step is priced, goes through the pool's scheduler and to the back end; after the last one the
 * status is written and the chain given back. The first error ends the series.
 */
#ifndef SLUICE_DISK_BLK_REQUEST_H
#define SLUICE_DISK_BLK_REQUEST_H

#include <linux/virtio_blk.h>
#include <stdbool.h>
#include <stdint.h>

#include "disk/backend.h"
#include "disk/pool_member.h"
#include "slo/cost.h"
#include "virtio/virtqueue.h"

#define BLK_SECTOR_BYTES 512u
#define BLK_RANGES_MAX 16u
#define BLK_DISCARD_SECTORS_MAX (1u << 21)	/* of a range: 1 GiB */
#define BLK_WRITE_ZEROES_SECTORS_MAX (1u << 16) /* 32 MiB: some back ends have to write them */

struct disk_queue;

/* What a type of request does; one per row of the table in blk_parse.c. */
struct blk_type {
	bool is_known;
	enum backend_operation operation;
	enum slo_operation priced_as;
	bool is_write;		    /* refused on a read-only disk */
	uint32_t range_sectors_max; /* of each of its ranges; 0: it has none */
};

struct blk_request {
	struct backend_request transfer; /* the step that is at the back end */
	struct pool_request turn;	 /* its place in the scheduler */
	struct disk_queue *queue;
	struct blk_request *next_free;

	const struct blk_type *type;
	uint8_t *status; /* in guest memory, written once, at the end */
	struct iovec *data;
	unsigned data_count;
	uint64_t offset_bytes;	/* of the rest of the transfer */
	uint64_t left_bytes;	/* of the rest of the transfer */
	uint64_t written_bytes; /* into the guest's memory, status not included */
	uint64_t cut_bytes;	/* of the last segment in this step, that belong to the next */
	unsigned range_index;
	unsigned range_count;
	bool needs_flush; /* a flush is still to come */

	struct descriptor_chain chain;
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES_MAX];
};

/*
 * Make sense of the chain that has just been popped into request->chain, and start it; it may be
 * complete when this returns.
 *
 * Returns 0, or -EPROTO if it has no room for a status: then its driver cannot be answered.
 */
int blk_request_start(struct blk_request *request, uint64_t now_ns);

/* Start the next step, or finish the request after the last. */
void blk_request_proceed(struct blk_request *request, uint64_t now_ns);

/* Write the status (VIRTIO_BLK_S_*) and give the chain back; the request is free then. */
void blk_request_finish(struct blk_request *request, uint8_t status);

/* The status that tells a driver of `result`, 0 or a negative errno. */
uint8_t blk_status_of(int result);

#endif
