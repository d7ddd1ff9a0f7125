/*
 * An ivshmem server that says anything, in pieces of any size, with or without descriptors, and hangs up at the end.
 *
 * Whatever it is, a link that begins has memory and a doorbell, one that does not has nothing, and no descriptor is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script.h"
#include "vmm/pci/ivshmem_link.h"

#define PIECES_MAX 128u

/* Numbers that mean something are said more often than others. */
static int64_t next_number(struct script *script)
{
	static const int64_t numbers[] = {0, 1, 2, 65535, -1};
	const unsigned choice = next_choice(script, 8);

	return choice < sizeof numbers / sizeof *numbers ? numbers[choice]
							 : (int64_t)next_u64(script);
}

static void say(int socket, const void *bytes, size_t size, unsigned fd_count)
{
	int fds[3] = {STDERR_FILENO, STDERR_FILENO, STDERR_FILENO};
	union {
		char bytes[CMSG_SPACE(sizeof fds)];
		struct cmsghdr header;
	} control = {.header = {CMSG_LEN(fd_count * sizeof *fds), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {(void *)bytes, size};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd_count) {
		memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof *fds);
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof *fds);
	}
	if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void speak(struct script *script, int socket)
{
	for (unsigned i = 0; i < PIECES_MAX && script->left; i++) {
		const int64_t number = next_number(script);
		const size_t size =
			next_u8(script) % 8 ? sizeof number : 1 + next_choice(script, 7);

		say(socket, &number, size, next_choice(script, 4));
	}
}

static void check(const struct ivshmem_link *link, int result)
{
	const int is_there = result == 0;

	if ((link->socket >= 0) != is_there || (link->memory_fd >= 0) != is_there ||
		(link->doorbell_fd >= 0) != is_there)
		abort();
}

/* The lowest free descriptor: one that leaks moves it up. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	const int free_before = lowest_free_fd();
	struct ivshmem_link link;
	struct error error;
	int ends[2], result;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		abort();
	speak(&script, ends[0]);
	close(ends[0]);
	result = ivshmem_link_begin(&link, ends[1], &error);
	check(&link, result);
	ivshmem_link_close(&link);
	if (lowest_free_fd() != free_before)
		abort();
	return 0;
}
