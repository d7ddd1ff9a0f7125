/* The module, as its host sees it. */
#include <stdio.h>

#include "call.h"

extern const struct sluice_module sluice_module;

static int open_module(
	const struct module_setup *setup, void **instance, char *message, size_t message_bytes)
{
	struct error error = {.message = ""};
	struct store *store;
	int failure = store_open(setup, &store, &error);

	if (failure) {
		snprintf(message, message_bytes, "%s", error.message);
		return failure;
	}
	*instance = store;
	return 0;
}

static void close_module(void *instance)
{
	store_close(instance);
}

static int connect_client(void *instance, void **session)
{
	struct session *opened;
	int failure = session_open(instance, &opened);

	if (!failure)
		*session = opened;
	return failure;
}

static void disconnect_client(void *session)
{
	session_close(session);
}

static void interrupt(void *session)
{
	session_interrupt(session);
}

static enum module_result handle(
	void *session, const struct module_request *request, struct module_reply *reply)
{
	return call_handle(session, request, reply);
}

static size_t status(void *instance, char *text, size_t size)
{
	return store_status(instance, text, size);
}

__attribute__((visibility("default"))) const struct sluice_module sluice_module = {
	.abi = SLUICE_MODULE_ABI,
	.name = "store",
	.open = open_module,
	.close = close_module,
	.connect = connect_client,
	.disconnect = disconnect_client,
	.handle = handle,
	.interrupt = interrupt,
	.status = status,
};
