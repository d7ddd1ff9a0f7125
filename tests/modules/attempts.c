#include "attempts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int outcome(long result)
{
	return result < 0 ? errno : 0;
}

/* ---- files ---- */

static int open_passwd(void)
{
	return outcome(open("/etc/passwd", O_RDONLY));
}

static int open_with_openat2(void)
{
	const uint64_t how[3] = {O_RDONLY, 0, 0};

	return outcome(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof how));
}

static int list_root(void)
{
	return outcome(open("/", O_RDONLY | O_DIRECTORY));
}

static int climb_out(void)
{
	return outcome(open("../../../../../../../../../../etc/hostname", O_RDONLY));
}

static int write_to_tmp(void)
{
	return outcome(open("/tmp/sluice-module-was-here", O_WRONLY | O_CREAT, 0600));
}

static int read_own_maps(void)
{
	return outcome(open("/proc/self/maps", O_RDONLY));
}

static int write_own_memory(void)
{
	return outcome(open("/proc/self/mem", O_RDWR));
}

static int read_others_environment(void)
{
	return outcome(open("/proc/1/environ", O_RDONLY));
}

static int open_device(void)
{
	return outcome(open("/dev/kmsg", O_RDONLY));
}

static int remove_a_file(void)
{
	return outcome(unlink("/etc/hostname"));
}

static int make_a_directory(void)
{
	return outcome(mkdir("/tmp/sluice-module-was-here.d", 0700));
}

static int make_a_symbolic_link(void)
{
	return outcome(symlink("/etc/passwd", "/tmp/sluice-module-was-here.l"));
}

static int make_a_device(void)
{
	return outcome(mknod("/tmp/sluice-module-was-here.c", S_IFCHR | 0600, 0x103));
}

static int change_rights(void)
{
	return outcome(chmod("/tmp", 0777));
}

static int cut_a_file(void)
{
	return outcome(truncate("/etc/hostname", 0));
}

static int go_through_proc(void)
{
	return outcome(open("/proc/self/root/etc/passwd", O_RDONLY));
}

static int have_the_kernel_run_a_program(void)
{
	return outcome(open("/proc/sys/kernel/core_pattern", O_WRONLY));
}

static int hide_from_the_oom_killer(void)
{
	return outcome(open("/proc/self/oom_score_adj", O_WRONLY));
}

static int leave_its_cgroup(void)
{
	return outcome(mkdir("/sys/fs/cgroup/sluice-module-was-here", 0700));
}

static int link_a_file_of_others(void)
{
	return outcome(link("/etc/hostname", "/etc/sluice-module-was-here"));
}

static int rename_a_file_of_others(void)
{
	return outcome(rename("/etc/hostname", "/etc/sluice-module-was-here"));
}

static int open_a_file_by_its_handle(void)
{
	const struct file_handle handle = {.handle_bytes = 0};

	return outcome(syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
}

static int change_the_root(void)
{
	return outcome(syscall(SYS_chroot, "."));
}

/* ---- the network, and other processes ---- */

static int make_a_network_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_a_unix_socket(void)
{
	return outcome(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int make_a_packet_socket(void)
{
	return outcome(socket(AF_PACKET, SOCK_RAW, 0));
}

static int make_a_netlink_socket(void)
{
	return outcome(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int connect_the_link(void)
{
	const struct sockaddr_un address = {AF_UNIX, "/run/sluice/control.sock"};

	return outcome(connect(3, (const struct sockaddr *)&address, sizeof address));
}

static int execute(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return errno;
}

static int fork_a_process(void)
{
	long child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (child == 0)
		_exit(0);
	return outcome(child);
}

static int fork_with_clone3(void)
{
	uint64_t arguments[8] = {0, 0, 0, 0, SIGCHLD};
	long child = syscall(SYS_clone3, arguments, sizeof arguments);

	if (child == 0)
		_exit(0);
	return outcome(child);
}

static int fork_by_its_old_name(void)
{
	long child = syscall(SYS_fork);

	if (child == 0)
		_exit(0);
	return outcome(child);
}

static int execute_memory(void)
{
	char *const nothing[] = {NULL};
	int fd = memfd_create("program", 0);

	return outcome(syscall(SYS_execveat, fd, "", nothing, nothing, AT_EMPTY_PATH));
}

static int talk_to_the_hypervisor(void)
{
	return outcome(socket(AF_VSOCK, SOCK_STREAM, 0));
}

static int take_a_descriptor_of_its_parent(void)
{
	return outcome(syscall(SYS_pidfd_open, getppid(), 0));
}

static int enter_its_parents_namespaces(void)
{
	return outcome(setns(3, 0));
}

static int limit_its_parent(void)
{
	const struct rlimit none = {0, 0};

	return outcome(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, &none, NULL));
}

static int kill_parent(void)
{
	return outcome(kill(getppid(), 0));
}

static int trace_parent(void)
{
	return outcome(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int read_parents_memory(void)
{
	char byte;
	struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};

	return outcome(syscall(SYS_process_vm_readv, getppid(), &local, 1, &remote, 1, 0));
}

/* ---- the kernel ---- */

static int make_an_io_uring(void)
{
	uint64_t parameters[15] = {0};

	return outcome(syscall(SYS_io_uring_setup, 8, parameters));
}

static int become_root(void)
{
	return outcome(syscall(SYS_setuid, 0));
}

static int mount_something(void)
{
	return outcome(mount("none", "/mnt", "tmpfs", 0, NULL));
}

static int enter_a_namespace(void)
{
	return outcome(unshare(CLONE_NEWUSER));
}

static int load_a_program_into_the_kernel(void)
{
	return outcome(syscall(SYS_bpf, 0, NULL, 0));
}

static int use_a_keyring(void)
{
	return outcome(syscall(SYS_keyctl, 0, -3, 0, 0, 0));
}

static int handle_page_faults(void)
{
	return outcome(syscall(SYS_userfaultfd, 0));
}

static int be_scheduled_first(void)
{
	const struct sched_param parameters = {.sched_priority = 99};

	return outcome(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &parameters));
}

static int set_the_clock(void)
{
	const struct timespec past = {0, 0};

	return outcome(syscall(SYS_clock_settime, CLOCK_REALTIME, &past));
}

static int share_memory_by_key(void)
{
	return outcome(syscall(SYS_shmget, 0x51, 4096, 0600 | 01000));
}

static int reach_ports(void)
{
	return outcome(syscall(SYS_iopl, 3));
}

static int load_a_kernel_module(void)
{
	return outcome(syscall(SYS_init_module, NULL, 0, ""));
}

static int restart_the_host(void)
{
	return outcome(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static int make_memory_executable(void)
{
	void *memory = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : 0;
}

static int type_into_the_terminal(void)
{
	return outcome(ioctl(STDERR_FILENO, TIOCSTI, "x"));
}

static int raise_own_limit(void)
{
	const struct rlimit limit = {1 << 20, 1 << 20};

	return outcome(syscall(SYS_setrlimit, RLIMIT_NOFILE, &limit));
}

const struct attempt attempts[] = {
	{"open_passwd", open_passwd},
	{"open_with_openat2", open_with_openat2},
	{"list_root", list_root},
	{"climb_out", climb_out},
	{"write_to_tmp", write_to_tmp},
	{"read_own_maps", read_own_maps},
	{"write_own_memory", write_own_memory},
	{"read_others_environment", read_others_environment},
	{"open_device", open_device},
	{"remove_a_file", remove_a_file},
	{"make_a_directory", make_a_directory},
	{"make_a_symbolic_link", make_a_symbolic_link},
	{"make_a_device", make_a_device},
	{"change_rights", change_rights},
	{"cut_a_file", cut_a_file},
	{"go_through_proc", go_through_proc},
	{"have_the_kernel_run_a_program", have_the_kernel_run_a_program},
	{"hide_from_the_oom_killer", hide_from_the_oom_killer},
	{"leave_its_cgroup", leave_its_cgroup},
	{"link_a_file_of_others", link_a_file_of_others},
	{"rename_a_file_of_others", rename_a_file_of_others},
	{"open_a_file_by_its_handle", open_a_file_by_its_handle},
	{"change_the_root", change_the_root},
	{"make_a_network_socket", make_a_network_socket},
	{"make_a_unix_socket", make_a_unix_socket},
	{"make_a_packet_socket", make_a_packet_socket},
	{"make_a_netlink_socket", make_a_netlink_socket},
	{"connect_the_link", connect_the_link},
	{"execute", execute},
	{"fork_a_process", fork_a_process},
	{"fork_with_clone3", fork_with_clone3},
	{"fork_by_its_old_name", fork_by_its_old_name},
	{"execute_memory", execute_memory},
	{"talk_to_the_hypervisor", talk_to_the_hypervisor},
	{"take_a_descriptor_of_its_parent", take_a_descriptor_of_its_parent},
	{"enter_its_parents_namespaces", enter_its_parents_namespaces},
	{"limit_its_parent", limit_its_parent},
	{"kill_parent", kill_parent},
	{"trace_parent", trace_parent},
	{"read_parents_memory", read_parents_memory},
	{"make_an_io_uring", make_an_io_uring},
	{"become_root", become_root},
	{"mount_something", mount_something},
	{"enter_a_namespace", enter_a_namespace},
	{"load_a_program_into_the_kernel", load_a_program_into_the_kernel},
	{"use_a_keyring", use_a_keyring},
	{"handle_page_faults", handle_page_faults},
	{"be_scheduled_first", be_scheduled_first},
	{"set_the_clock", set_the_clock},
	{"share_memory_by_key", share_memory_by_key},
	{"reach_ports", reach_ports},
	{"load_a_kernel_module", load_a_kernel_module},
	{"restart_the_host", restart_the_host},
	{"make_memory_executable", make_memory_executable},
	{"type_into_the_terminal", type_into_the_terminal},
	{"raise_own_limit", raise_own_limit},
	{0},
};

const struct attempt *attempt_find(const char *name)
{
	const struct attempt *attempt = attempts;

	while (attempt->name && strcmp(attempt->name, name) != 0)
		attempt++;
	return attempt->name ? attempt : NULL;
}
