#include "disk/image.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

/*
 * How long to wait for somebody else's lock. A daemon that was killed is gone at once, but its
 * io_uring keeps the file, and so the lock, until the requests in flight have ended: which is just
 * as well, as they must not overtake the requests that the new daemon will repeat.
 */
#define PATIENCE_NS (3 * NS_PER_S)
#define ATTEMPT_EVERY_NS (10 * NS_PER_MS)

struct patience {
	uint64_t ends_at_ns; /* 0: not needed yet */
};

/* Wait a moment before the next attempt. Returns false when it is time to give up. */
static bool wait_for_lock(struct patience *patience, const char *path)
{
	const struct timespec moment = {.tv_nsec = ATTEMPT_EVERY_NS};
	uint64_t now_ns = clock_now_ns();

	/* This process will not let go while it waits for itself. */
	if (image_is_open(path))
		return false;
	if (!patience->ends_at_ns) {
		patience->ends_at_ns = now_ns + PATIENCE_NS;
		log_info("%s: in use; waiting for whoever uses it to let go", path);
	}
	if (now_ns >= patience->ends_at_ns)
		return false;
	nanosleep(&moment, NULL);
	return true;
}

static int set_in_use_error(struct error *error, const char *path)
{
	if (image_is_open(path))
		return error_set(error, -EBUSY,
			"%s: in use by another disk here; give each its own image, or make both "
			"read_only",
			path);
	return error_set(error, -EBUSY,
		"%s: in use by another program; two writers would destroy it, so stop the "
		"other one first",
		path);
}

int image_open_existing(
	const char *path, bool is_block_device, bool is_read_only, struct error *error)
{
	/* On a block device O_EXCL is the lock. */
	int flags = O_CLOEXEC | (is_read_only ? O_RDONLY : O_RDWR) |
		    (is_block_device && !is_read_only ? O_EXCL : 0);
	struct patience patience = {0};
	int fd;

	do {
		fd = open(path, flags);
	} while (fd < 0 && (errno == EINTR || (errno == EBUSY && wait_for_lock(&patience, path))));
	if (fd >= 0)
		return fd;
	if (errno == EBUSY)
		return set_in_use_error(error, path);
	return error_set(error, -errno, "%s: cannot be opened for %s: %s", path,
		is_read_only ? "reading" : "writing", strerror(errno));
}

int image_lock(int fd, const char *path, bool is_read_only, struct error *error)
{
	struct flock lock = {.l_type = is_read_only ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};
	struct patience patience = {0};

	while (fcntl(fd, F_OFD_SETLK, &lock)) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EACCES) {
			/* Some network file systems have no locks. */
			log_warning(
				"%s: cannot be locked (%s); make sure that nothing else uses it",
				path, strerror(errno));
			return 0;
		}
		if (!wait_for_lock(&patience, path))
			return set_in_use_error(error, path);
	}
	return 0;
}
