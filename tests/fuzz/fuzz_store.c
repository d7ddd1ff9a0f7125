/*
 * Requests of two hostile clients to the storage module: a byte says whose, whether it may wait, and whether the table is one that is there,
 * then a length and the request. Lock time-outs are taken away, so that nothing waits.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "offload/module.h"
#include "script.h"
#include "store/store_protocol.h"

#define MESSAGE_BYTES_MAX (64u << 10)
#define REQUEST_BYTES_MAX 512u
#define REQUESTS_MAX 64u

extern const struct sluice_module sluice_module;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void *instance;
static char directory[] = "/dev/shm/sluice-fuzz-store.XXXXXX";

static bool grow(struct module_reply *reply, size_t capacity_bytes)
{
	void *data =
		capacity_bytes > MESSAGE_BYTES_MAX ? NULL : realloc(reply->data, capacity_bytes);

	if (!data)
		return false;
	reply->data = data;
	reply->capacity_bytes = capacity_bytes;
	return true;
}

static enum module_result ask_for(
	void *session, const void *request, size_t bytes, bool may_wait, struct module_reply *reply)
{
	const struct module_request asked = {.data = request, .bytes = bytes, .may_wait = may_wait};
	enum module_result result;

	*reply = (struct module_reply){.grow = grow};
	result = sluice_module.handle(session, &asked, reply);
	if (result == MODULE_DONE && reply->bytes < sizeof(struct store_reply))
		abort();
	if (result == MODULE_WOULD_WAIT && may_wait)
		abort();
	return result;
}

static enum module_result ask(void *session, const void *request, size_t bytes, bool may_wait)
{
	struct module_reply reply;
	const enum module_result result = ask_for(session, request, bytes, may_wait, &reply);

	free(reply.data);
	return result;
}

static void clean_up(void)
{
	char command[128];

	sluice_module.close(instance);
	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	if (system(command)) // NOLINT(cert-env33-c): the name is our own
		abort();
}

/* A table that is there. */
static struct store_table_reply find_table(void *session)
{
	struct {
		struct store_table_create create;
		char name;
	} create = {.create = {.request = {.operation = STORE_TABLE_CREATE},
			    .space_count = 3,
			    .name_bytes = 1,
			    .counter = 1},
		.name = 't'};
	struct {
		struct store_table_name open;
		char name;
	} open = {
		.open = {.request = {.operation = STORE_TABLE_OPEN}, .name_bytes = 1}, .name = 't'};
	struct store_table_reply table = {.table = 0};
	struct module_reply reply;

	ask(session, &create, offsetof(typeof(create), name) + 1, true);
	ask_for(session, &open, offsetof(typeof(open), name) + 1, true, &reply);
	if (reply.bytes >= sizeof table)
		memcpy(&table, reply.data, sizeof table);
	free(reply.data);
	return table;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct module_setup setup = {
		.memory_bytes_max = 64u << 20, .message_bytes_max = MESSAGE_BYTES_MAX};
	char message[512];

	setup.directory = mkdtemp(directory);
	if (sluice_module.open(&setup, &instance, message, sizeof message))
		abort();
	atexit(clean_up);
	return 0;
}

static void next_request(
	struct script *script, void *sessions[2], const struct store_table_reply *table)
{
	const uint8_t control = next_u8(script);
	const size_t bytes = 2 * (size_t)next_u8(script);
	uint64_t request[REQUEST_BYTES_MAX / 8] = {0};
	struct store_request *head = (struct store_request *)request;
	void **session = &sessions[control & 1];

	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)request)[i] = next_u8(script);
	head->operation %= STORE_OPERATIONS + 1;
	head->lock_timeout_ms = 0;
	if (control & 4) {
		((struct store_table *)request)->table = table->table;
		((struct store_table *)request)->generation = table->generation;
	}
	/* A checkpoint leaves files. */
	if (head->operation == STORE_CHECKPOINT ||
		ask(*session, request, bytes, control & 2) != MODULE_HANG_UP)
		return;
	sluice_module.disconnect(*session);
	if (sluice_module.connect(instance, session))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {.bytes = data, .left = size};
	struct store_table_reply table;
	void *sessions[2];

	if (sluice_module.connect(instance, &sessions[0]) ||
		sluice_module.connect(instance, &sessions[1]))
		abort();
	table = find_table(sessions[0]);
	for (unsigned i = 0; i < REQUESTS_MAX && script.left; i++)
		next_request(&script, sessions, &table);
	sluice_module.disconnect(sessions[0]);
	sluice_module.disconnect(sessions[1]);
	return 0;
}
