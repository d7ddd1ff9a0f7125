/*
 * Preloaded into a server: it dies, as by kill -9, at a chosen one of the calls by which it changes something that outlives it.
 *
 * SLUICE_DIE names a file with a number: that of the call to die at, counted down by each; 0: none.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static int *calls_left;

__attribute__((constructor)) static void map_number(void)
{
	const char *path = getenv("SLUICE_DIE");
	const int fd = path ? open(path, O_RDWR) : -1;
	void *number;

	if (fd < 0)
		return;
	number = mmap(NULL, sizeof *calls_left, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (number != MAP_FAILED)
		calls_left = number;
}

static void count_down(void)
{
	if (calls_left && __atomic_load_n(calls_left, __ATOMIC_RELAXED) > 0 &&
		!__atomic_sub_fetch(calls_left, 1, __ATOMIC_RELAXED))
		kill(getpid(), SIGKILL);
}

/* The parameters' names are not glibc's, which are reserved. */
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name)
#define DIES_BEFORE(type, name, parameters, arguments)        \
	type name parameters                                  \
	{                                                     \
		typeof(name) *next = dlsym(RTLD_NEXT, #name); \
                                                              \
		count_down();                                 \
		return next arguments;                        \
	}

DIES_BEFORE(int, rename, (const char *from, const char *to), (from, to))
DIES_BEFORE(int, unlink, (const char *path), (path))
DIES_BEFORE(int, fsync, (int fd), (fd))
DIES_BEFORE(int, fdatasync, (int fd), (fd))
DIES_BEFORE(ssize_t, write, (int fd, const void *data, size_t bytes), (fd, data, bytes))
DIES_BEFORE(ssize_t, pwrite64, (int fd, const void *data, size_t bytes, off64_t at),
	(fd, data, bytes, at))
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
