/*
 * The first packet of a link (module_link.h): what the process is to run, and the descriptors of the gate that its I/O asks at, if
 * there is one.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_HANDOVER_H
#define SLUICE_OFFLOAD_HOST_MODULE_HANDOVER_H

#include "disk/gate.h"
#include "offload/host/module_description.h"

/* @gate: NULL: there is none. Returns 0 or a negative errno. */
int module_handover_send(int link, const struct module_description *description,
	const struct gate_descriptors *gate);

/*
 * @gate: receives descriptors, which are the caller's then; or -1 in all of them, if there is no gate
 * Returns 0, or -EPROTO with the reason in `error`.
 */
int module_handover_receive(int link, struct module_description *description,
	struct gate_descriptors *gate, struct error *error);

#endif
