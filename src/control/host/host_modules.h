/*
 * The modules of a host: host.modules[i] is of configuration->modules[i], or NULL if it could not be begun, or waits.
 *
 * Theory of operation. A module may take seconds to close, and nobody waits for that here for more than two, so a module that is
 * removed or changed leaves the list at once for another, of those that leave, and is forgotten when it has ended. Until then, what it
 * has is its own: a module that is to have the same name, directory, socket or region, or a part of what the same pool can promise, waits
 * in the list as NULL, and is begun by host_settle_modules.
 */
#ifndef SLUICE_CONTROL_HOST_HOST_MODULES_H
#define SLUICE_CONTROL_HOST_HOST_MODULES_H

#include "control/host/host.h"

/* Begin all of the configuration. Returns 0 or a negative errno with `error` set. */
int host_start_modules(struct host *host, struct error *error);

/* End all, each within the time that it may take to close. */
void host_stop_modules(struct host *host);

/*
 * Have those end that another configuration lacks, or has otherwise, and wait two seconds at most until they have. Returns 0, or -ENOMEM
 * with nothing changed. What is NULL from then on is begun again by host_settle_modules, as whatever configuration then says.
 */
int host_withdraw_modules(struct host *host, const struct configuration *next, struct error *error);

/* Give a module that runs the SLO of other settings. Returns 0, or as gate_set_slo. */
int host_set_module_slo(
	struct host *host, const struct module_settings *settings, struct error *error);

/* After host_withdraw_modules: exchange the modules of the host's configuration and of that one. Returns 0 or -ENOMEM. */
int host_exchange_modules(struct host *host, struct configuration *next, struct error *error);

/* Forget those that have ended, and begin those that waited for it. To be called when host_modules_fd is readable. */
void host_settle_modules(struct host *host);

/* Is readable when one of those that leave has ended; -1: there are no modules. */
int host_modules_fd(const struct host *host);

/* Whether it is one of those that wait for others to end. */
bool host_module_waits(const struct host *host, unsigned index);

#endif
