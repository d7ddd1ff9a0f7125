/*
 * The system calls of a VM's process, each with its reason; what is not listed ends the process. The list
 * includes what a reboot takes: a new VM, its memory and threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/process/sandbox.h"

/* What an argument must be, its bits outside `mask` ignored; a mask of 0 is "anything". */
struct condition {
	unsigned argument;
	uint64_t mask, value;
};

#define ANYTHING        \
	{               \
		0, 0, 0 \
	}
#define EXACTLY(argument, value)            \
	{                                   \
		argument, UINT32_MAX, value \
	}
#define KVM_TYPE_MASK 0xff00u /* _IOC_TYPE */

struct allowed {
	int call;
	struct condition condition;
};

static const struct allowed allowed[] = {
	/* vCPUs and their VM: whatever /dev/kvm's descriptors take, and nothing of a terminal's
	   but what says whether it is one. */
	{SCMP_SYS(ioctl), {1, KVM_TYPE_MASK, KVMIO << _IOC_TYPESHIFT}},
	{SCMP_SYS(ioctl), EXACTLY(1, TCGETS)},

	/* I/O on what is open: the console, doorbells, interrupts, the kernel's file again. */
	{SCMP_SYS(read), ANYTHING},
	{SCMP_SYS(readv), ANYTHING},
	{SCMP_SYS(pread64), ANYTHING},
	{SCMP_SYS(preadv), ANYTHING},
	{SCMP_SYS(write), ANYTHING},
	{SCMP_SYS(writev), ANYTHING},
	{SCMP_SYS(pwrite64), ANYTHING},
	{SCMP_SYS(lseek), ANYTHING},
	{SCMP_SYS(close), ANYTHING},
	/* nonblocking, close on exec, seals of memory; not whom the kernel is to send which signal */
	{SCMP_SYS(fcntl), EXACTLY(1, F_GETFD)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_SETFD)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_GETFL)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_SETFL)},
	{SCMP_SYS(fcntl), EXACTLY(1, F_ADD_SEALS)},
	{SCMP_SYS(dup), ANYTHING},	  /* a descriptor to give away */
	{SCMP_SYS(fstat), ANYTHING},	  /* sizes of files */
	{SCMP_SYS(newfstatat), ANYTHING}, /* the C library's fstat */
	{SCMP_SYS(statx), ANYTHING},	  /* and its newer one */
	{SCMP_SYS(eventfd2), ANYTHING},	  /* doorbells and interrupts */
	{SCMP_SYS(timerfd_create), ANYTHING},
	{SCMP_SYS(timerfd_settime), ANYTHING},
	{SCMP_SYS(poll), ANYTHING}, /* the control socket's and devices' threads */
	{SCMP_SYS(ppoll), ANYTHING},
	{SCMP_SYS(epoll_create1), ANYTHING},
	{SCMP_SYS(epoll_ctl), ANYTHING},
	{SCMP_SYS(epoll_wait), ANYTHING},
	{SCMP_SYS(epoll_pwait), ANYTHING},

	/* The hypervisor core, with the ring that is there, which is restricted: others could do what is not listed. */
	{SCMP_SYS(io_uring_enter), ANYTHING},
	{SCMP_SYS(io_uring_register), EXACTLY(1, IORING_REGISTER_ENABLE_RINGS)},

	/* Back ends, again and again, and clients of the control socket: Unix sockets alone. */
	{SCMP_SYS(socket), EXACTLY(0, AF_UNIX)},
	{SCMP_SYS(socketpair), EXACTLY(0, AF_UNIX)},
	{SCMP_SYS(connect), ANYTHING},
	{SCMP_SYS(accept4), ANYTHING},
	{SCMP_SYS(sendmsg), ANYTHING},
	{SCMP_SYS(sendto), ANYTHING},
	{SCMP_SYS(recvmsg), ANYTHING},
	{SCMP_SYS(recvfrom), ANYTHING},
	{SCMP_SYS(shutdown), ANYTHING},
	{SCMP_SYS(getsockopt), ANYTHING},
	{SCMP_SYS(setsockopt), ANYTHING}, /* time limits of conversations */

	/* Memory, the guest's included; none of it to be executed. */
	{SCMP_SYS(memfd_create), ANYTHING},
	{SCMP_SYS(ftruncate), ANYTHING},
	{SCMP_SYS(fallocate), ANYTHING},
	{SCMP_SYS(mmap), {2, PROT_EXEC, 0}},
	{SCMP_SYS(mprotect), {2, PROT_EXEC, 0}},
	{SCMP_SYS(munmap), ANYTHING},
	{SCMP_SYS(mremap), ANYTHING},
	{SCMP_SYS(madvise), ANYTHING}, /* huge pages, prefaulting, no core file */
	{SCMP_SYS(mlock), ANYTHING},
	{SCMP_SYS(munlock), ANYTHING},
	{SCMP_SYS(brk), ANYTHING},

	/* Threads, on their CPUs, with their names. No processes: those lack CLONE_THREAD. */
	{SCMP_SYS(clone), {0, CLONE_THREAD, CLONE_THREAD}},
	{SCMP_SYS(set_robust_list), ANYTHING},
	{SCMP_SYS(rseq), ANYTHING},
	{SCMP_SYS(sched_setaffinity), ANYTHING},
	{SCMP_SYS(sched_getaffinity), ANYTHING},
	{SCMP_SYS(sched_yield), ANYTHING},
	{SCMP_SYS(prctl), EXACTLY(0, PR_SET_NAME)},
	{SCMP_SYS(futex), ANYTHING},
	{SCMP_SYS(membarrier), ANYTHING},
	{SCMP_SYS(gettid), ANYTHING},
	{SCMP_SYS(getpid), ANYTHING},
	{SCMP_SYS(exit), ANYTHING},
	{SCMP_SYS(exit_group), ANYTHING},

	/* Kicks out of KVM_RUN; tgkill is below, for this process alone. */
	{SCMP_SYS(rt_sigaction), ANYTHING},
	{SCMP_SYS(rt_sigprocmask), ANYTHING},
	{SCMP_SYS(rt_sigreturn), ANYTHING},
	{SCMP_SYS(rt_sigtimedwait), ANYTHING},
	{SCMP_SYS(sigaltstack), ANYTHING},
	{SCMP_SYS(restart_syscall), ANYTHING},

	/* Time, chance, and one's own limits. */
	{SCMP_SYS(clock_gettime), ANYTHING},
	{SCMP_SYS(clock_getres), ANYTHING},
	{SCMP_SYS(clock_nanosleep), ANYTHING},
	{SCMP_SYS(nanosleep), ANYTHING},
	{SCMP_SYS(gettimeofday), ANYTHING},
	{SCMP_SYS(getrandom), ANYTHING},
	{SCMP_SYS(getrusage), ANYTHING},
	{SCMP_SYS(prlimit64), EXACTLY(2, 0)},
	{SCMP_SYS(sysinfo), ANYTHING},
	{SCMP_SYS(uname), ANYTHING},
};

/* What the C library tries and does without: an error rather than the end. */
static const struct {
	int call, error;
} refused[] = {
	{SCMP_SYS(clone3), ENOSYS}, /* its flags cannot be looked at; clone is used instead */
	{SCMP_SYS(open), EACCES},
	{SCMP_SYS(openat), EACCES},
	{SCMP_SYS(access), EACCES},
	{SCMP_SYS(faccessat), EACCES},
	{SCMP_SYS(faccessat2), EACCES},
	{SCMP_SYS(readlink), EACCES},
	{SCMP_SYS(unlink), EACCES}, /* its control socket, which whoever started it removes */
	{SCMP_SYS(set_mempolicy), EPERM},
	{SCMP_SYS(mbind), EPERM},
	{SCMP_SYS(sched_setscheduler), EPERM},
};

static int allow(scmp_filter_ctx filter, int call, const struct condition *condition)
{
	struct scmp_arg_cmp compare = {
		.arg = condition->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = condition->mask,
		.datum_b = condition->value,
	};

	return seccomp_rule_add_array(
		filter, SCMP_ACT_ALLOW, call, condition->mask ? 1 : 0, &compare);
}

static int add_rules(scmp_filter_ctx filter)
{
	const struct condition this_process = EXACTLY(0, (uint64_t)getpid());
	int result = allow(filter, SCMP_SYS(tgkill), &this_process);

	for (size_t i = 0; i < sizeof allowed / sizeof *allowed && result == 0; i++)
		result = allow(filter, allowed[i].call, &allowed[i].condition);
	for (size_t i = 0; i < sizeof refused / sizeof *refused && result == 0; i++)
		result = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO((uint32_t)refused[i].error), refused[i].call, 0);
	return result;
}

/* Each exit of a vCPU's is one ioctl: that is to be found first. */
static int tune(scmp_filter_ctx filter)
{
	int result = seccomp_syscall_priority(filter, SCMP_SYS(ioctl), UINT8_MAX);

	/* libseccomp would set it, which the caller has done. */
	return result < 0 ? result : seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
}

int sandbox_filter_calls(bool is_only_logging, struct error *error)
{
	scmp_filter_ctx filter =
		seccomp_init(is_only_logging ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	int result = filter ? add_rules(filter) : -ENOMEM;

	if (result == 0)
		result = tune(filter);
	if (result == 0)
		result = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (result < 0)
		return error_set(
			error, result, "cannot filter system calls: %s", strerror(-result));
	return 0;
}
