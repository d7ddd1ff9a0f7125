/*
 * Theory of operation. A Landlock ruleset that handles every access the kernel knows and allows none, or below one
 * directory what files and directories take: neither executing nor devices, sockets, pipes and links by name.
 * Connecting to a socket in the file system is no access that it handles, so a VM's back
 * ends stay within reach. Rights are by the kernel's version of Landlock; the
 * numbers are the kernel's (linux/landlock.h), as older headers lack the newer ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "sandbox/sandbox.h"

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

/* Read and write files and directories, make and remove them, move them about, change their length. */
#define BELOW_DIRECTORY 0x61beu

static int allow_below(int ruleset, const char *directory, uint64_t handled, struct error *error)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = BELOW_DIRECTORY & handled,
		.parent_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};
	int result = 0;

	if (rule.parent_fd < 0)
		return error_set(
			error, -errno, "cannot open directory %s: %s", directory, strerror(errno));
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		result = error_set(error, -errno, "cannot make a Landlock rule for %s: %s",
			directory, strerror(errno));
	close(rule.parent_fd);
	return result;
}

static int restrict_self(int version, const char *directory, struct error *error)
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
	if (directory)
		result = allow_below(fd, directory, versions[row].ruleset.handled_files, error);
	if (result == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		result = error_set(
			error, -errno, "cannot shut the file system: %s", strerror(errno));
	close(fd);
	return result;
}

int sandbox_shut_files(const struct sandbox_config *config, struct error *error)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version >= 1)
		return restrict_self((int)version, config->directory, error);
	log_warning("%s keeps its user's files in reach: this kernel has no Landlock "
		    "(%s); add 'landlock' to the kernel's 'lsm=' parameter, or use 5.13 or later",
		config->subject, strerror(errno));
	return 0;
}
