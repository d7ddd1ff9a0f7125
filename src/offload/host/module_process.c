#include "offload/host/module_process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "offload/host/module_handover.h"
#include "offload/host/module_link.h"

#define EXIT_CANNOT_EXECUTE 127
#define OOM_SCORE "500" /* of 1000 */

/* Of the kernel, when memory ends: what a tenant makes grow comes first, before the host's own. */
static void offer_to_oom_killer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, OOM_SCORE, sizeof OOM_SCORE - 1) > 0)
		close(fd);
}

/*
 * Between fork and exec: nothing but system calls. A session of its own is one that the scheduler shares processors out to
 * (sched(7), "The autogroup feature"), where there is no cgroup: else who has most threads had most.
 */
static void become(const char *program, int link, const struct module_inheritance *inheritance)
{
	char *const arguments[] = {(char *)program, NULL};
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	offer_to_oom_killer();
	if (inheritance->cgroup_fd >= 0 && write(inheritance->cgroup_fd, "0", 1) < 0)
		_exit(EXIT_CANNOT_EXECUTE);
	dup2(nothing, STDIN_FILENO);
	if (inheritance->error_fd >= 0)
		dup2(inheritance->error_fd, STDERR_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	if (link != MODULE_LINK_FD)
		dup2(link, MODULE_LINK_FD);
	else
		fcntl(link, F_SETFD, 0);
	syscall(SYS_close_range, MODULE_LINK_FD + 1, ~0u, 0);
	execv(program, arguments);
	_exit(EXIT_CANNOT_EXECUTE);
}

static int fail(struct module_process *process, int result, struct error *error)
{
	module_process_close_link(process);
	return error_set(error, result, "cannot start the module's process: %s", strerror(-result));
}

/* The descriptor can be had until it is reaped, ended or not. */
static int watch(struct module_process *process)
{
	process->pid_fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	return process->pid_fd < 0 ? -errno : 0;
}

/* Each process has a gate of its own: what its predecessor shared with sluiced was anybody's. */
static int tell(struct module_process *process, const struct module_description *description,
	const struct module_inheritance *inheritance)
{
	struct gate_descriptors descriptors;
	struct error error;
	int result;

	if (!inheritance->gate)
		return module_handover_send(
			process->link, description, NULL, &inheritance->machine);
	result = gate_open(inheritance->gate, &descriptors, &error);
	if (result < 0)
		return result;
	process->gate = inheritance->gate;
	return module_handover_send(
		process->link, description, &descriptors, &inheritance->machine);
}

int module_process_start(const char *program, const struct module_description *description,
	const struct module_inheritance *inheritance, struct module_process *process,
	struct error *error)
{
	int ends[2], result;

	*process = (struct module_process){.pid_fd = -1, .link = -1};
	if (access(program, X_OK) < 0)
		return error_set(error, -errno, "cannot run %s: %s; install Sluice again", program,
			strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(process, -errno, error);
	process->link = ends[0];
	process->pid = fork();
	if (process->pid == 0)
		become(program, ends[1], inheritance);
	result = process->pid < 0 ? -errno : 0;
	close(ends[1]);
	if (result < 0)
		return fail(process, result, error);
	result = watch(process);
	if (result == 0)
		result = tell(process, description, inheritance);
	/* One that has ended already is seen to by who watches it. */
	if (result == 0 || result == -EPIPE)
		return 0;
	module_process_close_link(process);
	module_process_reap(process);
	return fail(process, result, error);
}

void module_process_close_link(struct module_process *process)
{
	if (process->link >= 0)
		close(process->link);
	process->link = -1;
}

int module_process_reap(struct module_process *process)
{
	int status = 0;

	while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (process->pid_fd >= 0)
		close(process->pid_fd);
	if (process->gate)
		gate_close(process->gate);
	*process = (struct module_process){.pid_fd = -1, .link = process->link};
	return status;
}
