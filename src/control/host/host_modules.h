/* The modules of a host: host.modules[i] is of configuration->modules[i], or NULL if it could not be begun. */
#ifndef SLUICE_CONTROL_HOST_HOST_MODULES_H
#define SLUICE_CONTROL_HOST_HOST_MODULES_H

#include "control/host/host.h"

/* Begin all of the configuration. Returns 0, or -ENOMEM. */
int host_start_modules(struct host *host, struct error *error);

/* End all, each within the time that it may take to close. */
void host_stop_modules(struct host *host);

/*
 * Go over to the modules of another configuration, with which those of this one are exchanged: what is the same goes on, what has
 * changed ends and starts again. It may take as long as a module takes to close. Returns 0, or -ENOMEM with nothing changed.
 */
int host_reload_modules(struct host *host, struct configuration *next, struct error *error);

#endif
