/*
 * The smallest module there is: it answers with what it was sent. With the option wait=yes it does so only where it may wait, as a
 * module does that needs a lock or a device; docs/modules.md goes through it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offload/module.h"

struct echo {
	bool is_waiting;
	unsigned sessions; /* that are open; several threads count */
};

static int echo_open(const struct module_setup *setup, void **instance, char *message, size_t size)
{
	struct echo *echo = calloc(1, sizeof *echo);

	if (!echo)
		return -ENOMEM;
	for (size_t i = 0; i < setup->option_count; i++) {
		const struct module_option *option = &setup->options[i];

		if (strcmp(option->name, "wait") != 0) {
			snprintf(message, size, "there is no option '%s'; there is 'wait'",
				option->name);
			free(echo);
			return -EINVAL;
		}
		echo->is_waiting = strcmp(option->value, "yes") == 0;
	}
	*instance = echo;
	return 0;
}

/* A client's session is the module itself: nothing is kept for one. */
static int echo_connect(void *instance, void **session)
{
	struct echo *echo = instance;

	__atomic_add_fetch(&echo->sessions, 1, __ATOMIC_RELAXED);
	*session = echo;
	return 0;
}

static void echo_disconnect(void *session)
{
	struct echo *echo = session;

	__atomic_sub_fetch(&echo->sessions, 1, __ATOMIC_RELAXED);
}

static enum module_result echo_handle(
	void *session, const struct module_request *request, struct module_reply *reply)
{
	const struct echo *echo = session;

	if (echo->is_waiting && !request->may_wait)
		return MODULE_WOULD_WAIT;
	if (!reply->grow(reply, request->bytes))
		return MODULE_HANG_UP;
	memcpy(reply->data, request->data, request->bytes);
	reply->bytes = request->bytes;
	return MODULE_DONE;
}

static size_t echo_status(void *instance, char *text, size_t size)
{
	const struct echo *echo = instance;
	unsigned sessions = __atomic_load_n(&echo->sessions, __ATOMIC_RELAXED);
	int length = snprintf(
		text, size, "sessions: %u\nwait: %s\n", sessions, echo->is_waiting ? "yes" : "no");

	return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

const struct sluice_module sluice_module = {SLUICE_MODULE_ABI, "echo", echo_open, free,
	echo_connect, echo_disconnect, echo_handle, echo_status, NULL};
