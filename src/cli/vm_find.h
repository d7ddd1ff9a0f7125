/* Running VMs, by their control sockets. */
#ifndef SLUICE_CLI_VM_FIND_H
#define SLUICE_CLI_VM_FIND_H

#include <jansson.h>

#include "base/error.h"

/* What each says of itself (vm.show), by name; a new array, or NULL. Sockets whose VM is gone are skipped. */
json_t *vm_find_all(struct error *error);

/*
 * Ask one. Takes `params` over.
 *
 * @result: a new reference on success
 * Returns 0, -ENOENT if it does not run (`error` has the names of those that do), or what it said.
 */
int vm_ask(
	const char *name, const char *method, json_t *params, json_t **result, struct error *error);

/* The same for commands, as cli_call: on failure the reason is printed, and NULL returned. */
json_t *vm_call(const char *name, const char *method, json_t *params);

#endif
