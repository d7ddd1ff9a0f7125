/* A process of sluice-module, as sluiced sees it. */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_PROCESS_H
#define SLUICE_OFFLOAD_HOST_MODULE_PROCESS_H

#include <sys/types.h>

#include "disk/gate.h"
#include "offload/channel/channel_server.h"
#include "offload/host/module_description.h"

struct module_process {
	pid_t pid;
	int pid_fd;	   /* readable when it has ended */
	int link;	   /* module_link.h */
	struct gate *gate; /* open while it lives; NULL: there is none */
};

/* What a process gets when it starts. */
struct module_inheritance {
	int cgroup_fd;			/* of module_cgroup_open, or -1 */
	struct gate *gate;		/* that its I/O asks at; NULL: it goes ahead */
	struct channel_machine machine; /* that its predecessor had; -1 in it: none */
	int error_fd; /* its standard error, and output; negative: sluiced's own */
};

/*
 * Start one, and tell it what it is to run. It ends when this thread does, if not before.
 *
 * Returns 0, or a negative errno with the reason in `error`.
 */
int module_process_start(const char *program, const struct module_description *description,
	const struct module_inheritance *inheritance, struct module_process *process,
	struct error *error);

/* Have it close its module and end. */
void module_process_close_link(struct module_process *process);

/* Wait until it has ended; returns its status, as of waitpid(2). */
int module_process_reap(struct module_process *process);

#endif
