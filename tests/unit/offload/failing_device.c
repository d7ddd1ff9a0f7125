#include "failing_device.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

int failing_write;

/* In the C library's place. */
ssize_t pwritev2(int fd, const struct iovec *iovec, int count, off_t offset, int flags)
{
	if (!failing_write)
		return syscall(SYS_pwritev2, fd, iovec, count, offset, 0, flags);
	errno = failing_write;
	return -1;
}
