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
	{"make_a_network_socket", make_a_network_socket},
	{"make_a_unix_socket", make_a_unix_socket},
	{"make_a_packet_socket", make_a_packet_socket},
	{"make_a_netlink_socket", make_a_netlink_socket},
	{"connect_the_link", connect_the_link},
	{"execute", execute},
	{"fork_a_process", fork_a_process},
	{"kill_parent", kill_parent},
	{"trace_parent", trace_parent},
	{"read_parents_memory", read_parents_memory},
	{"make_an_io_uring", make_an_io_uring},
	{"become_root", become_root},
	{"mount_something", mount_something},
	{"enter_a_namespace", enter_a_namespace},
	{"load_a_program_into_the_kernel", load_a_program_into_the_kernel},
	{"use_a_keyring", use_a_keyring},
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
