/*
 * A module that is kept running: sluiced's side of it.
 *
 * Theory of operation. A thread starts the module's process, watches it, and starts it again when it has ended, after a pause that
 * doubles each time until one has run for a while. Every two seconds it sends a ping, which the process must answer by its sidecore; one
 * that takes too long is killed. Answers carry what the module has done and says of itself.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_SUPERVISOR_H
#define SLUICE_OFFLOAD_HOST_MODULE_SUPERVISOR_H

#include <sys/types.h>

#include "disk/gate.h"
#include "offload/host/module_description.h"
#include "offload/host/module_link.h"

struct module_supervisor;

enum module_state {
	MODULE_STATE_STARTING,
	MODULE_STATE_RUNNING,
	MODULE_STATE_CLOSING, /* it was asked to end */
	MODULE_STATE_WAITING, /* to be started again */
	MODULE_STATE_ENDED,   /* as it was told to stop; nothing of it is left but this */
};

/* What a person calls these, by value. */
extern const char *const module_state_words[];

struct module_status {
	enum module_state state;
	pid_t pid;			   /* 0: there is no process now */
	uint64_t restarts;		   /* how often it has been started again */
	bool has_limits;		   /* those that it was given are in force */
	struct module_counters counters;   /* of this process; as of its last answer */
	char trouble[ERROR_MESSAGE_BYTES]; /* why the last process has ended; empty: none did */
	char text[MODULE_TEXT_BYTES];	   /* what the module says: printable ASCII and newlines */
};

/*
 * Begin.
 *
 * @description, @program: copied
 * @gate: that its processes ask at, or NULL: they need not; the supervisor's from then on, if that succeeds
 * Returns 0, or a negative errno with the reason in `error`. That a process cannot be started is not an error: it is logged, and tried
 * again.
 */
int module_supervisor_create(const struct module_description *description, const char *program,
	struct gate *gate, struct module_supervisor **supervisor, struct error *error);

/*
 * Have the process end, and none be started again; does not wait.
 *
 * @ended_fd: an eventfd to ring when its state is MODULE_STATE_ENDED, from when on destroying it takes no time; or -1
 */
void module_supervisor_stop(struct module_supervisor *supervisor, int ended_fd);

/* Stop it, wait until that is done, which takes as long as a process may take to close, and free it. */
void module_supervisor_destroy(struct module_supervisor *supervisor);

/* End the process, and start another at once; does not wait. */
void module_supervisor_restart(struct module_supervisor *supervisor);

/* @is_fresh: ask the process, and wait for its answer for half a second at most */
void module_supervisor_status(
	struct module_supervisor *supervisor, bool is_fresh, struct module_status *status);

/* NULL: there is none. */
struct gate *module_supervisor_gate(const struct module_supervisor *supervisor);

const struct module_description *module_supervisor_description(
	const struct module_supervisor *supervisor);

#endif
