/* Asking a running sluiced for something. */
#ifndef SLUICE_CONTROL_SOCKET_CONTROL_CLIENT_H
#define SLUICE_CONTROL_SOCKET_CONTROL_CLIENT_H

#include <jansson.h>

#include "base/error.h"

/*
 * Call a method and wait for its result.
 *
 * @params: an object; the reference is taken over
 * @result: a new reference on success
 * Returns 0, or a negative errno with what to do about it in `error`: no daemon, no permission, what
 * the daemon refused.
 */
int control_call(const char *socket_path, const char *method, json_t *params, json_t **result,
	struct error *error);

#endif
