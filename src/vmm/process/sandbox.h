/*
 * What is left to a VM's process once it has opened what it needs: not enough to harm the host when a
 * guest has broken out of KVM into it.
 *
 * Theory of operation. In the order in which each can still be done: the user (whose files are not the
 * administrator's), a network namespace without networks, no capabilities, no core file and no debugger, no
 * new privileges; then no files at all (Landlock), and only the system calls in sandbox_filter.c's
 * table (seccomp). All threads that are made later are bound by it. Seccomp does not see what io_uring does for
 * them, so no ring can be made: there is the hypervisor core's alone, made before, which can do nothing but wait for,
 * read and write what is open (sidecore_make_restricted_ring). It leaves all that a reboot needs: memory, threads, a
 * VM of /dev/kvm's open descriptor, and connections to back ends.
 *
 * Without root the user stays, and so does the network namespace. Root must become somebody: who wants it to stay
 * root, whose files and devices it could reach where Landlock is missing, has to say so ("root"). A kernel without Landlock costs a warning.
 */
#ifndef SLUICE_VMM_PROCESS_SANDBOX_H
#define SLUICE_VMM_PROCESS_SANDBOX_H

#include <stdbool.h>

#include "base/error.h"

#define SANDBOX_USER_DEFAULT "sluice-vm"

struct sandbox_config {
	const char *user; /* whom root becomes; NULL or empty: SANDBOX_USER_DEFAULT */
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

/* The steps that are files of their own; as sandbox_enter. */
int sandbox_shut_files(struct error *error);
int sandbox_filter_calls(bool is_only_logging, struct error *error);

#endif
