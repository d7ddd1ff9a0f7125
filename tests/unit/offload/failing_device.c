#include "failing_device.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int failing_write, failing_sync;

/* ---- in the C library's place ---- */

static ssize_t fail(int failure)
{
	errno = failure;
	return -1;
}

ssize_t pwritev2(int fd, const struct iovec *iovec, int count, off_t offset, int flags)
{
	return failing_write ? fail(failing_write)
			     : syscall(SYS_pwritev2, fd, iovec, count, offset, 0, flags);
}

int fsync(int fd)
{
	return (int)(failing_sync ? fail(failing_sync) : syscall(SYS_fsync, fd));
}
