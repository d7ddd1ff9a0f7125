/*
 * JSON-RPC 2.0: from one line of text to the line that answers it. No sockets here.
 *
 * Parameters are by name. An error carries the message of `struct error` and the errno's name in
 * "data". Batches and notifications are answered as the specification says.
 */
#ifndef SLUICE_CONTROL_SOCKET_RPC_H
#define SLUICE_CONTROL_SOCKET_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define RPC_LINE_BYTES_MAX (1u << 20)
#define RPC_BATCH_MAX 64u

struct rpc_method {
	const char *name;
	/*
	 * Do it. `params` is an object (an empty one if none were sent), borrowed. On success
	 * *result is set to a new reference. Returns 0 or a negative errno with `error` set.
	 */
	int (*call)(void *context, const json_t *params, json_t **result, struct error *error);
};

/*
 * Answer a line.
 *
 * @methods: ends with a NULL name
 * Returns the answer with a newline, to be freed with free(); NULL if none is due.
 */
char *rpc_answer(const struct rpc_method *methods, void *context, const char *line, size_t length);

#endif
