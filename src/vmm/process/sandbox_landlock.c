/*
 * Theory of operation. A Landlock ruleset that handles every access the kernel knows and allows none: all
 * files are open already. Connecting to a socket in the file system is no access that it handles, so back
 * ends stay within reach, and with them all other sockets that the process's user may connect to: that is why VMs have
 * users of their own. Abstract sockets are out of reach from version 6 on. Rights are by the kernel's
 * version of Landlock; the numbers are the kernel's (linux/landlock.h), as older headers lack the newer ones.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/process/sandbox.h"

/* struct landlock_ruleset_attr of version 6. */
struct ruleset {
	uint64_t handled_files;
	uint64_t handled_network;
	uint64_t scoped;
};

/* The first version that has them, and the bits of them that are in it. */
static const struct {
	int version;
	size_t size_bytes; /* of the ruleset that the version knows */
	struct ruleset ruleset;
} versions[] = {
	{6, 24, {0xffff, 0x3, 0x3}}, /* neither abstract sockets nor signals to others */
	{5, 16, {0xffff, 0x3, 0}},   /* ioctl on devices that are opened */
	{4, 16, {0x7fff, 0x3, 0}},   /* TCP: bind and connect */
	{3, 8, {0x7fff, 0, 0}},	     /* truncate */
	{2, 8, {0x3fff, 0, 0}},	     /* link across directories */
	{1, 8, {0x1fff, 0, 0}},
};

static int restrict_self(int version, struct error *error)
{
	size_t row = 0;
	int fd, result = 0;

	while (versions[row].version > version)
		row++;
	fd = (int)syscall(
		SYS_landlock_create_ruleset, &versions[row].ruleset, versions[row].size_bytes, 0);
	if (fd < 0)
		return error_set(
			error, -errno, "cannot make a Landlock ruleset: %s", strerror(errno));
	if (syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		result = error_set(
			error, -errno, "cannot shut the file system: %s", strerror(errno));
	close(fd);
	return result;
}

int sandbox_shut_files(struct error *error)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version >= 1)
		return restrict_self((int)version, error);
	log_warning("the VM's process keeps its user's files in reach: this kernel has no Landlock "
		    "(%s); add 'landlock' to the kernel's 'lsm=' parameter, or use 5.13 or later",
		strerror(errno));
	return 0;
}
