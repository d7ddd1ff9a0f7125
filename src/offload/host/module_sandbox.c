/*
 * The system calls of a module besides those that all processes with a sidecore need: what a storage engine does with files. Where
 * they may be is Landlock's to say. What libraries try and do without fails; the rest of what is not listed ends the process.
 */
#include "offload/host/module_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define ANYTHING SANDBOX_ANYTHING
#define EXACTLY SANDBOX_EXACTLY

static const struct sandbox_allowed allowed[] = {
	/* Files: open, look, list, lock. */
	{SCMP_SYS(open), ANYTHING}, {SCMP_SYS(openat), ANYTHING}, {SCMP_SYS(creat), ANYTHING},
	{SCMP_SYS(access), ANYTHING}, {SCMP_SYS(faccessat), ANYTHING},
	{SCMP_SYS(faccessat2), ANYTHING}, {SCMP_SYS(stat), ANYTHING}, {SCMP_SYS(lstat), ANYTHING},
	{SCMP_SYS(statfs), ANYTHING}, {SCMP_SYS(fstatfs), ANYTHING}, {SCMP_SYS(getdents), ANYTHING},
	{SCMP_SYS(getdents64), ANYTHING}, {SCMP_SYS(getcwd), ANYTHING}, {SCMP_SYS(flock), ANYTHING},
	{SCMP_SYS(fcntl), EXACTLY(1, F_SETLK)}, {SCMP_SYS(fcntl), EXACTLY(1, F_GETLK)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_DUPFD_CLOEXEC)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_SET_RW_HINT)}, /* how long what is written lives */
	{SCMP_SYS(fcntl), EXACTLY(1, F_GET_SEALS)},

	/* Make, move, remove. */
	{SCMP_SYS(mkdir), ANYTHING}, {SCMP_SYS(mkdirat), ANYTHING}, {SCMP_SYS(rmdir), ANYTHING},
	{SCMP_SYS(unlink), ANYTHING}, {SCMP_SYS(unlinkat), ANYTHING}, {SCMP_SYS(rename), ANYTHING},
	{SCMP_SYS(renameat), ANYTHING}, {SCMP_SYS(renameat2), ANYTHING},
	{SCMP_SYS(link), ANYTHING}, /* checkpoints share files with what they are of */
	{SCMP_SYS(linkat), ANYTHING}, {SCMP_SYS(truncate), ANYTHING},
	{SCMP_SYS(utimensat), ANYTHING},

	/* Read, write, and make durable. */
	{SCMP_SYS(pwritev), ANYTHING}, {SCMP_SYS(pwritev2), ANYTHING},
	{SCMP_SYS(preadv2), ANYTHING}, {SCMP_SYS(copy_file_range), ANYTHING},
	{SCMP_SYS(sendfile), ANYTHING}, {SCMP_SYS(fsync), ANYTHING},
	{SCMP_SYS(fdatasync), ANYTHING}, {SCMP_SYS(sync_file_range), ANYTHING},
	{SCMP_SYS(syncfs), ANYTHING}, {SCMP_SYS(msync), ANYTHING}, {SCMP_SYS(fadvise64), ANYTHING},
	{SCMP_SYS(readahead), ANYTHING}, {SCMP_SYS(mincore), ANYTHING},

	/* Who and where it is. */
	{SCMP_SYS(getuid), ANYTHING}, {SCMP_SYS(geteuid), ANYTHING}, {SCMP_SYS(getgid), ANYTHING},
	{SCMP_SYS(getegid), ANYTHING}, {SCMP_SYS(getppid), ANYTHING}, {SCMP_SYS(getcpu), ANYTHING},
	{SCMP_SYS(get_mempolicy), ANYTHING}, {SCMP_SYS(sched_getscheduler), ANYTHING},
	{SCMP_SYS(sched_getparam), ANYTHING}, {SCMP_SYS(getpriority), ANYTHING},
	{SCMP_SYS(times), ANYTHING}, {SCMP_SYS(pipe2), ANYTHING}, {SCMP_SYS(select), ANYTHING},
	{SCMP_SYS(pselect6), ANYTHING},
	{SCMP_SYS(alarm), ANYTHING}, /* its end, when closing takes too long */
};

static const struct sandbox_refused refused[] = {
	/* The network, and whoever else listens on this host. */
	{SCMP_SYS(socket), EACCES},
	{SCMP_SYS(socketpair), EACCES},
	{SCMP_SYS(connect), EACCES},
	{SCMP_SYS(bind), EACCES},
	{SCMP_SYS(listen), EACCES},

	/* Rights of files, names that lead elsewhere. */
	{SCMP_SYS(chmod), EPERM},
	{SCMP_SYS(fchmod), EPERM},
	{SCMP_SYS(fchmodat), EPERM},
	{SCMP_SYS(chown), EPERM},
	{SCMP_SYS(fchown), EPERM},
	{SCMP_SYS(fchownat), EPERM},
	{SCMP_SYS(symlink), EPERM},
	{SCMP_SYS(symlinkat), EPERM},
	{SCMP_SYS(readlinkat), EACCES},
	{SCMP_SYS(mknod), EPERM},
	{SCMP_SYS(mknodat), EPERM},
	{SCMP_SYS(umask), EPERM},
	{SCMP_SYS(getxattr), ENOTSUP},
	{SCMP_SYS(setxattr), ENOTSUP},

	/* Terminals, devices, other rings, and the kernel's account of its own CPU time. */
	{SCMP_SYS(ioctl), ENOTTY},
	{SCMP_SYS(io_uring_setup), ENOSYS},
	{SCMP_SYS(inotify_init1), ENOSYS},
	{SCMP_SYS(perf_event_open), EACCES},

	/* Its place among other processes. */
	{SCMP_SYS(setpriority), EPERM},
	{SCMP_SYS(ioprio_set), EPERM},
	{SCMP_SYS(sched_setparam), EPERM},
	{SCMP_SYS(move_pages), EPERM},
	{SCMP_SYS(setrlimit), EPERM},
};

static struct sandbox_config config_of(const struct module_description *description,
	const struct sandbox_table *tables, size_t table_count)
{
	return (struct sandbox_config){
		.subject = "the module's process",
		.user = description->user,
		.user_default = MODULE_USER_DEFAULT,
		.directory = description->directory,
		.tables = tables,
		.table_count = table_count,
		.frequent_call = SCMP_SYS(futex),
	};
}

int module_sandbox_make_directory(const struct module_description *description, struct error *error)
{
	const struct sandbox_config config = config_of(description, NULL, 0);

	if (mkdir(description->directory, 0700) == 0)
		return sandbox_give(&config, description->directory, error);
	if (errno == EEXIST)
		return 0;
	return error_set(error, -errno, "cannot make directory %s: %s", description->directory,
		strerror(errno));
}

int module_sandbox_enter(const struct module_description *description, struct error *error)
{
	const struct sandbox_table tables[] = {
		sandbox_table_common,
		{allowed, sizeof allowed / sizeof *allowed, refused,
			sizeof refused / sizeof *refused},
	};
	const struct sandbox_config config =
		config_of(description, tables, sizeof tables / sizeof *tables);
	int result = sandbox_enter(&config, error);

	if (result < 0 || access(description->directory, R_OK | W_OK | X_OK) == 0)
		return result;
	return error_set(error, -errno,
		"the module's user cannot use directory %s: %s; give it to that user "
		"('chown -R'), and let it through those above",
		description->directory, strerror(errno));
}
