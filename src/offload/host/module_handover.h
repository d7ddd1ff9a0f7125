/*
 * The first packet of a link (module_link.h): what the process is to run, the descriptors of the gate that its I/O asks at, if
 * there is one, and those of the machine that its predecessor had, if there is one still.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_HANDOVER_H
#define SLUICE_OFFLOAD_HOST_MODULE_HANDOVER_H

#include "disk/gate.h"
#include "offload/channel/channel_server.h"
#include "offload/host/module_description.h"

/* @gate: NULL: there is none; @machine: -1 in it: likewise. Returns 0 or a negative errno. */
int module_handover_send(int link, const struct module_description *description,
	const struct gate_descriptors *gate, const struct channel_machine *machine);

/*
 * @gate, @machine: receive descriptors, which are the caller's then; or -1 in all of them, if there is no gate, or no machine
 * Returns 0, or -EPROTO with the reason in `error`.
 */
int module_handover_receive(int link, struct module_description *description,
	struct gate_descriptors *gate, struct channel_machine *machine, struct error *error);

#endif
