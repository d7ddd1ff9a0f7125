/* A process in the sandbox can do what a VM needs, and nothing that would harm the host. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "sidecore/sidecore.h"
#include "vmm/process/vm_sandbox.h"

#define FAILED 99

/* How it is entered. */
struct way {
	const char *user;
	bool is_only_logging;
};

static int signal_at_parents_end; /* 0: none */
static struct io_uring ring;	  /* made before the sandbox is entered */
static pid_t parent;		  /* asking for it is not allowed */

static int backend_listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, 0666) < 0 ||
		listen(fd, 1) < 0)
		fail();
	return fd;
}

/*
 * What becomes of a process that enters the sandbox and does that; as waitpid(2) has it. Its exit status is
 * what `attempt` returns: 0, or an errno.
 */
static int in_sandbox(int (*attempt)(void), const struct way *way)
{
	struct error error;
	int status;
	pid_t child;

	parent = getpid();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		log_set_level(LOG_LEVEL_ERROR);
		prctl(PR_SET_PDEATHSIG, signal_at_parents_end);
		if (sidecore_make_restricted_ring(&ring, &error) < 0 ||
			vm_sandbox_enter(way->user, way->is_only_logging, &error) < 0) {
			fprintf(stderr, "%s\n", error.message);
			_exit(FAILED);
		}
		_exit(attempt());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static const struct way usual;

static int outcome(int (*attempt)(void))
{
	int status = in_sandbox(attempt, &usual);

	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), FAILED);
	return WEXITSTATUS(status);
}

static bool kills(int (*attempt)(void))
{
	int status = in_sandbox(attempt, &usual);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

/* ---- what a VM needs ---- */

static void *do_nothing(void *argument)
{
	return argument;
}

static int make_threads(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, do_nothing, NULL);

	return result ? result : pthread_join(thread, NULL);
}

static int make_memory(void)
{
	int fd = (int)syscall(SYS_memfd_create, "guest", MFD_CLOEXEC);
	char *memory;

	if (fd < 0 || ftruncate(fd, 1 << 21) < 0)
		return errno;
	memory = mmap(NULL, 1 << 21, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED || madvise(memory, 1 << 21, MADV_DONTDUMP) < 0)
		return errno;
	memory[0] = 1;
	return munmap(memory, 1 << 21) < 0 ? errno : 0;
}

static void call(void *argument)
{
	sidecore_ring_caller(argument);
}

/* Writes to an eventfd, and is woken by another. */
static int run_a_hypervisor_core(void)
{
	const struct sidecore_config config = {
		.name = "core", .cpu = SIDECORE_NOT_PINNED, .restricted_ring = &ring};
	struct caller caller = {.fd = eventfd(0, EFD_CLOEXEC)};
	eventfd_t value;
	int result = sidecore_start(&config, &caller.sidecore, NULL);

	if (result < 0)
		return -result;
	sidecore_call(caller.sidecore, call, &caller);
	result = eventfd_read(caller.fd, &value);
	sidecore_stop(caller.sidecore);
	return result < 0 ? errno : 0;
}

static char backend_path[64];

static int connect_to_backend(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", backend_path);
	return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
}

static void a_reboot_is_possible(void **state)
{
	assert_int_equal(outcome(make_threads), 0);
	assert_int_equal(outcome(make_memory), 0);
	assert_int_equal(outcome(run_a_hypervisor_core), 0);
}

static void a_back_end_can_be_connected_to_again(void **state)
{
	int fd;

	snprintf(backend_path, sizeof backend_path, "/tmp/sluice-sandbox-%d.sock", (int)getpid());
	fd = backend_listener(backend_path);
	assert_int_equal(outcome(connect_to_backend), 0);
	close(fd);
	unlink(backend_path);
}

/* ---- what it does not ---- */

static int open_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0;
}

static int open_with_openat2(void)
{
	const uint64_t how[3] = {O_RDONLY, 0, 0};

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof how) < 0 ? errno : 0;
}

static int make_an_io_uring(void)
{
	struct io_uring another;

	return -io_uring_queue_init(8, &another, 0);
}

static void enable_ring(void)
{
	syscall(SYS_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* Seccomp does not see what io_uring does. */
static int submit_to_the_ring(void)
{
	struct io_uring_cqe *completion;

	if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_peek_cqe(&ring, &completion) < 0)
		return FAILED;
	return completion->res < 0 ? -completion->res : 0;
}

static int open_with_io_uring(void)
{
	enable_ring();
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	return submit_to_the_ring();
}

static int make_a_network_socket_with_io_uring(void)
{
	enable_ring();
	io_uring_prep_socket(io_uring_get_sqe(&ring), AF_INET, SOCK_DGRAM, 0, 0);
	return submit_to_the_ring();
}

/* What it may do can only be said before it is enabled, and then only once. */
static int lift_the_rings_restrictions(void)
{
	struct io_uring_restriction restriction = {
		.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_OPENAT};

	return syscall(SYS_io_uring_register, ring.ring_fd, IORING_REGISTER_RESTRICTIONS,
		       &restriction, 1) < 0
		       ? errno
		       : 0;
}

static int make_a_network_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, parent, NULL, NULL) < 0 ? errno : 0;
}

static int make_a_process(void)
{
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (child == 0)
		_exit(0);
	return child < 0 ? errno : 0;
}

static int kill_parent(void)
{
	return kill(parent, 0) < 0 ? errno : 0;
}

static int make_memory_executable(void)
{
	void *memory = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : 0;
}

static int type_into_the_terminal(void)
{
	return ioctl(STDIN_FILENO, TIOCSTI, "x") < 0 ? errno : 0;
}

/* Any signal to any process of the same user, when something comes by a socket. */
static int have_the_kernel_signal_the_parent(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return FAILED;
	return fcntl(ends[0], F_SETOWN, parent) < 0 ? errno : 0;
}

static int mount_something(void)
{
	return (int)syscall(SYS_mount, "none", "/mnt", "tmpfs", 0, NULL);
}

static void files_cannot_be_opened(void **state)
{
	assert_int_equal(outcome(open_a_file), EACCES);
	assert_true(kills(open_with_openat2));
}

static void io_uring_is_no_way_around(void **state)
{
	assert_int_equal(outcome(open_with_io_uring), EACCES);
	assert_int_equal(outcome(make_a_network_socket_with_io_uring), EACCES);
	assert_true(kills(make_an_io_uring));
	assert_true(kills(lift_the_rings_restrictions));
}

static void what_a_vm_does_not_need_ends_the_process(void **state)
{
	static int (*const attempts[])(void) = {make_a_network_socket, execute, trace_parent,
		make_a_process, kill_parent, have_the_kernel_signal_the_parent,
		make_memory_executable, type_into_the_terminal, mount_something};

	for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
		assert_true(kills(attempts[i]));
}

static void a_filter_that_only_logs_lets_it(void **state)
{
	const struct way logging = {.is_only_logging = true};
	int status = in_sandbox(mount_something, &logging);

	assert_true(WIFEXITED(status));
}

/* ---- who it is ---- */

/* As somebody outside sees it: a line of /proc/PID/status. */
static uint64_t status_of(pid_t process, const char *key, int base)
{
	char path[64], text[8192];
	const char *line;
	ssize_t count;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/status", (int)process);
	fd = open(path, O_RDONLY);
	count = read(fd, text, sizeof text - 1);
	close(fd);
	text[count < 0 ? 0 : count] = '\0';
	line = strstr(text, key);
	assert_non_null(line);
	return strtoull(line + strlen(key), NULL, base);
}

static void assert_no_privileges(const struct way *way)
{
	int entered = eventfd(0, 0);
	eventfd_t value;
	pid_t child = fork();

	if (child == 0) {
		log_set_level(LOG_LEVEL_ERROR);
		eventfd_write(entered,
			vm_sandbox_enter(way->user, way->is_only_logging, NULL) == 0 ? 1 : 2);
		for (;;)
			poll(NULL, 0, -1);
	}
	eventfd_read(entered, &value);
	assert_int_equal(value, 1);
	assert_int_equal(status_of(child, "\nCapEff:", 16), 0);
	assert_int_equal(status_of(child, "\nCapPrm:", 16), 0);
	if (geteuid() == 0) /* who has none cannot give them up for ever */
		assert_int_equal(status_of(child, "\nCapBnd:", 16), 0);
	assert_int_equal(status_of(child, "\nNoNewPrivs:", 10), 1);
	assert_int_equal(status_of(child, "\nSeccomp:", 10), 2);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(entered);
}

static void no_privileges_are_left(void **state)
{
	const struct way as_nobody = {.user = "nobody"};

	assert_no_privileges(&usual);
	if (geteuid() == 0)
		assert_no_privileges(&as_nobody);
}

static int ask_for_the_signal_at_the_parents_end(void)
{
	int signal_number = 0;

	return prctl(PR_GET_PDEATHSIG, &signal_number) < 0 ? FAILED : signal_number;
}

/* Who started it keeps its terminal: a VM must not outlive that, whoever it runs as. */
static void another_user_still_ends_with_the_parent(void **state)
{
	const struct way as_nobody = {.user = "nobody", .is_only_logging = true};
	int status;

	if (geteuid() != 0)
		skip();
	signal_at_parents_end = SIGTERM;
	status = in_sandbox(ask_for_the_signal_at_the_parents_end, &as_nobody);
	signal_at_parents_end = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SIGTERM);
}

static void an_unknown_user_is_named(void **state)
{
	struct error error;

	assert_true(vm_sandbox_enter("nobody-of-that-name", false, &error) < 0);
	assert_non_null(strstr(error.message, "nobody-of-that-name"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reboot_is_possible),
		cmocka_unit_test(a_back_end_can_be_connected_to_again),
		cmocka_unit_test(files_cannot_be_opened),
		cmocka_unit_test(io_uring_is_no_way_around),
		cmocka_unit_test(what_a_vm_does_not_need_ends_the_process),
		cmocka_unit_test(a_filter_that_only_logs_lets_it),
		cmocka_unit_test(no_privileges_are_left),
		cmocka_unit_test(another_user_still_ends_with_the_parent),
		cmocka_unit_test(an_unknown_user_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
