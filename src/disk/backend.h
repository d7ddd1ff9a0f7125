/*
 * A back end: where a disk's bytes are. One implementation per file (backend_file.c, ...), found by
 * name in a table.
 *
 * `submit` is called on the sidecore that owns the disk, everything else from a control thread. A
 * back end accepts transfers of any length and any buffer alignment, in any number of segments up to
 * BACKEND_SEGMENTS_MAX; offsets and lengths are multiples of 512 bytes and lie within the disk (the
 * caller has checked). It completes each request exactly once, from the sidecore's thread, and from
 * within `submit` only if `completes_inline` says that it may; then the caller must bear that
 * `complete` submits the next request.
 *
 * Requests in flight at one time are not ordered: not against each other where they overlap, and a
 * flush only covers the writes that were completed before it was submitted.
 *
 * Results: -EIO (the device failed, or the image ends before the disk does), -ENOSPC (the file
 * system is full), -EROFS (a change to a read-only disk), -EOPNOTSUPP (the device cannot discard),
 * or what else the kernel said.
 */
#ifndef SLUICE_DISK_BACKEND_H
#define SLUICE_DISK_BACKEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include "base/error.h"
#include "sidecore/sidecore.h"

#define BACKEND_SEGMENTS_MAX 128u

enum backend_operation {
	BACKEND_READ,
	BACKEND_WRITE,
	BACKEND_FLUSH,	      /* all writes completed before it are on stable storage after it */
	BACKEND_DISCARD,      /* the content becomes undefined; space is freed where possible */
	BACKEND_WRITE_ZEROES, /* reads as zeroes afterwards */
	BACKEND_OPERATIONS
};

/* One transfer. The caller owns it until `complete`, and then again. */
struct backend_request {
	enum backend_operation operation;
	bool may_unmap; /* WRITE_ZEROES may free the space */
	uint64_t offset_bytes;
	uint64_t length_bytes;	      /* of READ and WRITE: the sum of the segments */
	const struct iovec *segments; /* unchanged until completion, by caller and back end alike */
	unsigned segment_count;

	/* Called once; result is 0 or a negative errno. A short transfer is continued, not reported. */
	void (*complete)(struct backend_request *request, int result);

	/* The back end's own; need not be initialized. */
	struct backend *backend;
	struct sidecore_operation ring_operation;
	uint64_t done_bytes;
	void *bounce;
	TAILQ_ENTRY(backend_request) waiting;
	unsigned method;  /* which of the ways to do this is being tried */
	unsigned retries; /* of -EAGAIN and -EINTR, in a row */
	int result;	  /* known before the ring comes round to complete it */
};

/* What a back end needs to know to open a disk. Strings are borrowed for the call. */
struct backend_options {
	const char *path; /* of the image file or block device; unused by ram and null */
	/*
	 * Create a file, or let it grow, to this size; 0: take what is there. A file or device
	 * that is larger, and a device that is smaller, is an error. ram and null need a size.
	 */
	uint64_t size_bytes;
	bool is_read_only;
	bool use_page_cache;	   /* do not even try O_DIRECT */
	struct sidecore *sidecore; /* that will call submit */
};

struct backend;

struct backend_ops {
	const char *name;
	/* One line for people: what this back end keeps the bytes in. */
	const char *description;

	/*
	 * From a control thread. On success *backend is set, with size_bytes and the other public
	 * fields filled in. Returns 0 or a negative errno with the reason in `error`.
	 */
	int (*open)(const struct backend_options *options, struct backend **backend,
		struct error *error);

	/*
	 * A request that has been described will be submitted soon: start to bring closer what it
	 * needs. Costs little and decides nothing. NULL if there is nothing to gain.
	 */
	void (*expect)(struct backend *backend, const struct backend_request *request);

	/* Start a request. */
	void (*submit)(struct backend *backend, struct backend_request *request);

	/*
	 * From a control thread: let a file grow to `size_bytes`, or with 0 re-read the size of a
	 * file or device that somebody else resized. Returns 0 with backend->size_bytes updated, or
	 * a negative errno with the reason in `error`. NULL if the size cannot change.
	 */
	int (*refresh_size)(struct backend *backend, uint64_t size_bytes, struct error *error);

	/* From a control thread, with nothing in flight: free everything. */
	void (*close)(struct backend *backend);
};

/* The public part of every back end; each embeds it as its first member. */
struct backend {
	const struct backend_ops *ops;
	uint64_t size_bytes;
	uint32_t block_bytes; /* preferred granularity: the guest sees it as its block size */
	bool is_read_only;
	bool can_discard;
	bool is_direct;	       /* O_DIRECT is in use */
	bool completes_inline; /* submit() may call complete() before it returns */
};

/* Look up a back end by name ("file", "ram", "null"); NULL if there is none. */
const struct backend_ops *backend_find(const char *name);

#endif
