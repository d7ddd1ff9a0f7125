/*
 * One module in this process, from the description to clients that are served: what sluice-module runs. All functions are for the
 * main thread.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_INSTANCE_H
#define SLUICE_OFFLOAD_HOST_MODULE_INSTANCE_H

#include "disk/gate.h"
#include "offload/channel/channel_server.h"
#include "offload/host/module_description.h"
#include "offload/host/module_link.h"

struct module_instance;

/*
 * Open all that it takes, enter the sandbox, open the module, and serve. `description` outlives it.
 *
 * @gate: that file I/O is to ask at; of `region` -1: none
 * @machine: that the region is in already; -1 in it: none
 * Returns 0, or a negative errno with the reason in `error`; then the process must end.
 */
int module_instance_start(struct module_description *description,
	const struct gate_descriptors *gate, const struct channel_machine *machine,
	struct module_instance **instance, struct error *error);

/* Have the sidecore answer, which makes module_instance_answer_fd readable. */
void module_instance_ask(struct module_instance *instance);
int module_instance_answer_fd(const struct module_instance *instance);

/* What there is to say, once it has answered; copies of the machine's descriptors, the caller's, or -1, go with it. */
void module_instance_report(struct module_instance *instance, struct module_report *report,
	struct channel_machine *machine);

/* Send all clients away, close the module, and end all threads. */
void module_instance_stop(struct module_instance *instance);

#endif
