/*
 * Limits of a module's process, by cgroup v2 (kernel: Documentation/admin-guide/cgroup-v2.rst).
 *
 * Theory of operation. Where systemd has given sluiced its cgroup to divide (Delegate=yes), sluiced moves into a leaf, "daemon", since
 * no cgroup may have both processes and limited children, and each module gets one beside it. Else root makes "sluice" at the
 * top, with a cgroup for each module. Others cannot. A module has one even if no limit was asked for: then it has
 * its share of the processors, as large as any other's, and a bound on its threads.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_CGROUP_H
#define SLUICE_OFFLOAD_HOST_MODULE_CGROUP_H

#include "offload/host/module_description.h"

/* Where cgroup v2 is mounted; NULL if it is not, or without controllers. */
const char *module_cgroup_mount(void);

/*
 * Make the cgroup that has the limits of `description`.
 *
 * @mount: of module_cgroup_mount
 * @own: this process's cgroup, as /proc/self/cgroup has it, "/system.slice/sluiced.service"
 * @path: receives the cgroup's
 * Returns 0, or a negative errno with the reason, and the mend, in `error`.
 */
int module_cgroup_make(const char *mount, const char *own,
	const struct module_description *description, char path[PATH_MAX], struct error *error);

/* This process's. Returns 0 or a negative errno. */
int module_cgroup_own(char own[PATH_MAX]);

/* A descriptor for a process to write "0" to, which is then in it; or a negative errno. */
int module_cgroup_open(const char *path);

/*
 * All of these: make the cgroup below this process's. A module without its limits is worth more than none: if they cannot be had, and some were
 * asked for, the log has a warning. Returns what module_cgroup_open does.
 */
int module_cgroup_make_own(const struct module_description *description, char path[PATH_MAX]);

/* When no process is in it any more. */
void module_cgroup_remove(const char *path);

#endif
