/* The greeting, and what an operator asks. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "call.h"

#define CHECKPOINTS "checkpoints"
#define STATUS_BYTES_MAX 4096u

int handle_hello(struct call *call)
{
	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (call->request.hello.version != STORE_PROTOCOL_VERSION)
		return explain(&call->explanation, STORE_UNSUPPORTED,
			"the client speaks version %u, and this module %u",
			call->request.hello.version, STORE_PROTOCOL_VERSION);
	call->answer.hello.version = STORE_PROTOCOL_VERSION;
	call->answer.hello.message_bytes_max = (uint32_t)call->store->message_bytes_max;
	call->answer.hello.instance = call->store->instance;
	call->answer.hello.cancel_key = call->session->cancel_key;
	return STORE_OK;
}

int handle_cancel(struct call *call)
{
	const uint64_t key = call->request.cancel.key;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (key)
		return store_cancel(call->store, key) ? STORE_OK : STORE_NOT_FOUND;
	lock_interrupt_clear(&call->store->locks, &call->session->interrupt);
	return STORE_OK;
}

int handle_status(struct call *call)
{
	char text[STATUS_BYTES_MAX];
	size_t bytes;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	bytes = store_status(call->store, text, sizeof text);
	call->answer.value.value_bytes = (uint32_t)bytes;
	return call_append(call, text, bytes);
}

/* ---- checkpoints ---- */

/* The name of a file in a directory, and not a hidden one. */
static bool is_file_name(struct bytes name)
{
	if (!name.bytes || name.bytes > 128 || name.data[0] == '.')
		return false;
	return !memchr(name.data, '/', name.bytes) && !memchr(name.data, 0, name.bytes);
}

static int make_parent(struct call *call)
{
	char *path;
	int failure;

	if (asprintf(&path, "%s/" CHECKPOINTS, call->store->directory) < 0)
		return explain(&call->explanation, STORE_BUSY, "out of memory");
	failure = mkdir(path, 0700) && errno != EEXIST;
	free(path);
	return failure ? explain(&call->explanation, STORE_IO_ERROR,
				 "cannot create the directory " CHECKPOINTS ": %s", strerror(errno))
		       : STORE_OK;
}

static int copy_to(struct call *call, const char *path)
{
	rocksdb_checkpoint_t *checkpoint;
	char *message = NULL;
	struct stat status;

	if (!stat(path, &status))
		return explain(
			&call->explanation, STORE_EXISTS, "there is a checkpoint of that name");
	checkpoint = rocksdb_checkpoint_object_create(call->store->database.db, &message);
	if (message)
		return database_outcome(message, &call->explanation);
	rocksdb_checkpoint_create(checkpoint, path, 0, &message);
	rocksdb_checkpoint_object_destroy(checkpoint);
	return database_outcome(message, &call->explanation);
}

static int checkpoint(struct call *call, struct bytes name)
{
	char *path;
	int outcome = make_parent(call);

	if (outcome)
		return outcome;
	if (asprintf(&path, "%s/" CHECKPOINTS "/%.*s", call->store->directory, (int)name.bytes,
		    name.data) < 0)
		return explain(&call->explanation, STORE_BUSY, "out of memory");
	outcome = copy_to(call, path);
	free(path);
	return outcome;
}

int handle_checkpoint(struct call *call)
{
	struct bytes name;

	if (!call_take_last(call, call->request.name.name_bytes, &name) || !is_file_name(name))
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	return checkpoint(call, name);
}
