#include "control/socket/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

#define METHODS_MAX 64

enum rpc_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_FAILED = -32000,
};

static json_t *failure(json_t *id, enum rpc_code code, const char *message)
{
	return json_pack("{s:s, s:O?, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id ? id : json_null(),
		"error", "code", code, "message", message);
}

/* Messages quote what clients sent; a text that JSON cannot carry must not cost the answer. */
static json_t *failed_call(json_t *id, int result, const char *message)
{
	json_t *answer = failure(id, result == -EINVAL ? RPC_INVALID_PARAMS : RPC_FAILED, message);

	if (!answer)
		answer = failure(id, RPC_FAILED, "failed, for a reason that is not UTF-8");
	json_object_set_new(json_object_get(answer, "error"), "data",
		json_pack("{s:s}", "errno", strerrorname_np(-result) ?: "EIO"));
	return answer;
}

static const struct rpc_method *find_method(const struct rpc_method *methods, const char *name)
{
	for (; methods->name; methods++)
		if (strcmp(methods->name, name) == 0)
			return methods;
	return NULL;
}

static json_t *unknown_method(const struct rpc_method *methods, json_t *id, const char *name)
{
	const char *names[METHODS_MAX], *nearest;
	char message[256];
	size_t count = 0;

	for (; methods[count].name && count < METHODS_MAX; count++)
		names[count] = methods[count].name;
	nearest = suggest_nearest(name, names, count);
	snprintf(message, sizeof message, "no such method%s%s%s", nearest ? "; did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?" : "");
	return failure(id, RPC_METHOD_NOT_FOUND, message);
}

static json_t *call(const struct rpc_method *method, void *context, json_t *id, json_t *params)
{
	struct error error = {"failed"};
	json_t *result = NULL;
	int code = method->call(context, params, &result, &error);

	if (code < 0) {
		json_decref(result);
		return failed_call(id, code, error.message);
	}
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(),
		"result", result);
}

static bool is_id(const json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

/* Answer one request; NULL if it is a notification. */
static json_t *answer_one(const struct rpc_method *methods, void *context, json_t *request)
{
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const char *name = json_string_value(json_object_get(request, "method"));
	json_t *id = json_object_get(request, "id");
	json_t *params = json_object_get(request, "params");
	json_t *none = NULL, *answer;
	const struct rpc_method *method;

	if (!version || strcmp(version, "2.0") != 0 || !name || !is_id(id))
		return failure(NULL, RPC_INVALID_REQUEST,
			"not a JSON-RPC 2.0 request; it needs jsonrpc, method and id");
	if (params && !json_is_object(params))
		return failure(id, RPC_INVALID_PARAMS, "params must be an object");
	method = find_method(methods, name);
	if (!method)
		answer = unknown_method(methods, id, name);
	else
		answer = call(method, context, id, params ? params : (none = json_object()));
	json_decref(none);
	if (id)
		return answer;
	json_decref(answer);
	return NULL;
}

static json_t *answer_batch(const struct rpc_method *methods, void *context, json_t *batch)
{
	json_t *answers, *request, *answer;
	size_t index;

	if (!json_array_size(batch) || json_array_size(batch) > RPC_BATCH_MAX)
		return failure(NULL, RPC_INVALID_REQUEST, "a batch has 1 to 64 requests");
	answers = json_array();
	json_array_foreach (batch, index, request) {
		answer = answer_one(methods, context, request);
		if (answer)
			json_array_append_new(answers, answer);
	}
	if (json_array_size(answers))
		return answers;
	json_decref(answers);
	return NULL;
}

static json_t *answer_line(
	const struct rpc_method *methods, void *context, const char *line, size_t length)
{
	json_t *request, *answer;
	json_error_t reason;
	char message[512];

	request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &reason);
	if (!request) {
		snprintf(message, sizeof message, "not JSON: %s", reason.text);
		answer = failure(NULL, RPC_PARSE_ERROR, message);
		return answer ? answer : failure(NULL, RPC_PARSE_ERROR, "not JSON");
	}
	answer = json_is_array(request) ? answer_batch(methods, context, request)
					: answer_one(methods, context, request);
	json_decref(request);
	return answer;
}

char *rpc_answer(const struct rpc_method *methods, void *context, const char *line, size_t length)
{
	json_t *answer = answer_line(methods, context, line, length);
	char *text, *whole = NULL;

	if (!answer)
		return NULL;
	text = json_dumps(answer, JSON_COMPACT);
	if (text && asprintf(&whole, "%s\n", text) < 0)
		whole = NULL;
	free(text);
	json_decref(answer);
	return whole;
}
