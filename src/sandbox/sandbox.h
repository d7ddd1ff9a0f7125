/*
 * What is left to a process once it has opened what it needs: not enough to harm the host when who it serves has
 * broken into it.
 *
 * Theory of operation. In the order in which each can still be done: the user (whose files are not the
 * administrator's), a network namespace without networks, no capabilities, no core file and no debugger, no
 * new privileges; then no files at all, or those below one directory (Landlock), and only the system calls in
 * the caller's tables (seccomp). All threads that are made later are bound by it. Seccomp does not see what io_uring does for
 * them, so no ring can be made: there is the hypervisor core's alone, made before, which can do nothing but wait for,
 * read and write what is open (sidecore_make_restricted_ring).
 *
 * Without root the user stays, and so does the network namespace. A kernel without Landlock costs a warning.
 */
#ifndef SLUICE_SANDBOX_SANDBOX_H
#define SLUICE_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* What an argument must be, its bits outside `mask` ignored; a mask of 0 is "anything". */
struct sandbox_condition {
	unsigned argument;
	uint64_t mask, value;
};

/* clang-format off */
#define SANDBOX_ANYTHING {0, 0, 0}
#define SANDBOX_EXACTLY(argument, value) {argument, UINT32_MAX, value}
/* clang-format on */

/* A system call that is allowed, by libseccomp's number; one with several conditions stands there several times. */
struct sandbox_allowed {
	int call;
	struct sandbox_condition condition;
};

/* One that fails with that errno, where who calls it can do without. */
struct sandbox_refused {
	int call, error;
};

struct sandbox_table {
	const struct sandbox_allowed *allowed;
	size_t allowed_count;
	const struct sandbox_refused *refused;
	size_t refused_count;
};

/* For all: threads, memory, time, I/O on what is open, and a sidecore. */
extern const struct sandbox_table sandbox_table_common;

struct sandbox_config {
	const char *subject; /* who is shut in, in messages: "the VM" */
	const char *user;    /* NULL or empty: `user_default`, if there is such a user */
	const char *user_default;
	const char *directory;		    /* below which files may be opened, or NULL */
	const struct sandbox_table *tables; /* what is in none of them ends the process */
	size_t table_count;
	int frequent_call; /* found first by the filter */
	/* Allow what the filter does not list, and have the kernel log it: to find what is missing. */
	bool is_only_logging;
};

/*
 * Enter it, for good. From the process's only thread.
 *
 * Returns 0, or a negative errno with the step that failed, and the mend, in `error`; then the process is
 * somewhere in between and must end.
 */
int sandbox_enter(const struct sandbox_config *config, struct error *error);

/* Give a file or directory to the user whom the sandbox will have. Returns as sandbox_enter. */
int sandbox_give(const struct sandbox_config *config, const char *path, struct error *error);

/* The steps that are files of their own; as sandbox_enter. */
int sandbox_shut_files(const struct sandbox_config *config, struct error *error);
int sandbox_filter_calls(const struct sandbox_config *config, struct error *error);

#endif
