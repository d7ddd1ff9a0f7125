/* The system calls of a process with a sidecore, each with its reason. */
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "sandbox/sandbox.h"

#define ANYTHING SANDBOX_ANYTHING
#define EXACTLY SANDBOX_EXACTLY

static const struct sandbox_allowed allowed[] = {
	/* I/O on what is open. */
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
	{SCMP_SYS(eventfd2), ANYTHING},	  /* doorbells and calls */
	{SCMP_SYS(timerfd_create), ANYTHING},
	{SCMP_SYS(timerfd_settime), ANYTHING},
	{SCMP_SYS(poll), ANYTHING}, /* threads that serve sockets */
	{SCMP_SYS(ppoll), ANYTHING},
	{SCMP_SYS(epoll_create1), ANYTHING},
	{SCMP_SYS(epoll_ctl), ANYTHING},
	{SCMP_SYS(epoll_wait), ANYTHING},
	{SCMP_SYS(epoll_pwait), ANYTHING},

	/* The hypervisor core, with the ring that is there, which is restricted: others could do what is not listed. */
	{SCMP_SYS(io_uring_enter), ANYTHING},
	{SCMP_SYS(io_uring_register), EXACTLY(1, IORING_REGISTER_ENABLE_RINGS)},

	/* Whoever connects to a socket that is open. */
	{SCMP_SYS(accept4), ANYTHING},
	{SCMP_SYS(sendmsg), ANYTHING},
	{SCMP_SYS(sendto), ANYTHING},
	{SCMP_SYS(recvmsg), ANYTHING},
	{SCMP_SYS(recvfrom), ANYTHING},
	{SCMP_SYS(shutdown), ANYTHING},
	{SCMP_SYS(getsockopt), ANYTHING},
	{SCMP_SYS(setsockopt), ANYTHING}, /* time limits of conversations */

	/* Memory; none of it to be executed. */
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

	/* Signals within the process; tgkill is the filter's own, for this process alone. */
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
static const struct sandbox_refused refused[] = {
	{SCMP_SYS(clone3), ENOSYS}, /* its flags cannot be looked at; clone is used instead */
	{SCMP_SYS(readlink), EACCES},
	{SCMP_SYS(set_mempolicy), EPERM},
	{SCMP_SYS(mbind), EPERM},
	{SCMP_SYS(sched_setscheduler), EPERM},
};

const struct sandbox_table sandbox_table_common = {
	allowed,
	sizeof allowed / sizeof *allowed,
	refused,
	sizeof refused / sizeof *refused,
};
