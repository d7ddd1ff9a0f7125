/*
 * Theory of operation. The ring is made disabled, and the kernel lets restrictions be registered only until it is
 * enabled, which the sidecore's thread does: that makes the thread its single issuer, too. liburing has functions
 * for both, but not all its versions let them be used.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sidecore/sidecore_private.h"

static int register_with(const struct io_uring *ring, unsigned what, void *argument, unsigned count)
{
	long result = syscall(SYS_io_uring_register, ring->ring_fd, what, argument, count);

	return result < 0 ? -errno : 0;
}

static int restrict_ring(const struct io_uring *ring)
{
	static const uint8_t allowed[] = {
		IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_READ, IORING_OP_WRITE};
	struct io_uring_restriction restrictions[sizeof allowed];

	memset(restrictions, 0, sizeof restrictions);
	for (size_t i = 0; i < sizeof allowed; i++) {
		restrictions[i].opcode = IORING_RESTRICTION_SQE_OP;
		restrictions[i].sqe_op = allowed[i];
	}
	return register_with(ring, IORING_REGISTER_RESTRICTIONS, restrictions, sizeof allowed);
}

int sidecore_enable_ring(const struct io_uring *ring)
{
	return register_with(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

int sidecore_make_restricted_ring(struct io_uring *ring, struct error *error)
{
	int result = sidecore_open_ring(ring, IORING_SETUP_R_DISABLED);

	if (result < 0)
		return error_set(error, result,
			"no io_uring: %s; see kernel.io_uring_disabled and the container's seccomp "
			"profile",
			strerror(-result));
	result = restrict_ring(ring);
	if (result == 0)
		return 0;
	io_uring_queue_exit(ring);
	return error_set(
		error, result, "cannot restrict what io_uring may do: %s", strerror(-result));
}
