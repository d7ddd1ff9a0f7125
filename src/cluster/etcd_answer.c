#include "cluster/etcd_answer.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static int parse_number(const json_t *value, uint64_t max, uint64_t *number)
{
	const char *text = json_string_value(value);

	*number = 0;
	if (!value)
		return 0;
	if (json_is_integer(value) && json_integer_value(value) >= 0) {
		*number = (uint64_t)json_integer_value(value);
		return 0;
	}
	if (!text || !*text || text[strspn(text, "0123456789")])
		return -EBADMSG;
	errno = 0;
	*number = strtoull(text, NULL, 10);
	return errno || *number > max ? -EBADMSG : 0;
}

int etcd_answer_number(const json_t *answer, const char *key, int64_t *number)
{
	uint64_t value;
	int result = parse_number(json_object_get(answer, key), INT64_MAX, &value);

	*number = result < 0 ? 0 : (int64_t)value;
	return result;
}

int etcd_answer_header(const json_t *answer, struct etcd_header *header)
{
	const json_t *object = json_object_get(answer, "header");
	int result = etcd_answer_number(object, "revision", &header->revision);

	if (result < 0)
		return result;
	return parse_number(json_object_get(object, "cluster_id"), UINT64_MAX, &header->cluster_id);
}

/* ---- keys and values ---- */

json_t *etcd_encode(const char *text, size_t bytes)
{
	size_t size = sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_ORIGINAL);
	char *encoded = malloc(size);
	json_t *result;

	if (!encoded)
		return NULL;
	sodium_bin2base64(
		encoded, size, (const unsigned char *)text, bytes, sodium_base64_VARIANT_ORIGINAL);
	result = json_string(encoded);
	free(encoded);
	return result;
}

/* *text is to be freed; of something that is not there it is empty. */
static int decode(const json_t *encoded, char **text, size_t *bytes)
{
	size_t length = json_string_length(encoded);

	if (encoded && !json_is_string(encoded))
		return -EBADMSG;
	*text = malloc(length + 1);
	if (!*text)
		return -ENOMEM;
	*bytes = 0;
	if (length && sodium_base642bin((unsigned char *)*text, length, json_string_value(encoded),
			      length, NULL, bytes, NULL, sodium_base64_VARIANT_ORIGINAL) < 0) {
		free(*text);
		*text = NULL;
		return -EBADMSG;
	}
	(*text)[*bytes] = '\0';
	return 0;
}

static int take_pair(
	const json_t *object, bool is_deleted, etcd_pair_handler *handler, void *context)
{
	struct etcd_pair pair = {.is_deleted = is_deleted};
	char *key = NULL, *value = NULL;
	int result = etcd_answer_number(object, "mod_revision", &pair.mod_revision);

	if (result == 0)
		result = etcd_answer_number(object, "create_revision", &pair.create_revision);
	if (result == 0)
		result = decode(json_object_get(object, "key"), &key, &pair.key_bytes);
	if (result == 0)
		result = decode(json_object_get(object, "value"), &value, &pair.value_bytes);
	if (result == 0 && !pair.key_bytes)
		result = -EBADMSG;
	pair.key = key;
	pair.value = value;
	if (result == 0)
		handler(context, &pair);
	free(key);
	free(value);
	return result;
}

int etcd_answer_pairs(
	const json_t *answer, etcd_pair_handler *handler, void *context, bool *is_more)
{
	const json_t *pairs = json_object_get(answer, "kvs"), *pair;
	size_t index;
	int result = 0;

	*is_more = json_is_true(json_object_get(answer, "more"));
	if (pairs && !json_is_array(pairs))
		return -EBADMSG;
	json_array_foreach (pairs, index, pair) {
		result = take_pair(pair, false, handler, context);
		if (result < 0)
			return result;
	}
	return 0;
}

/* ---- watches ---- */

static int take_event(const json_t *event, struct etcd_watch_answer *answer,
	etcd_pair_handler *handler, void *context)
{
	const json_t *pair = json_object_get(event, "kv");
	const char *type = json_string_value(json_object_get(event, "type"));
	int result = etcd_answer_number(pair, "mod_revision", &answer->events_revision);

	return result < 0 ? result
			  : take_pair(pair, type && strcmp(type, "DELETE") == 0, handler, context);
}

static int take_events(const json_t *events, struct etcd_watch_answer *answer,
	etcd_pair_handler *handler, void *context)
{
	const json_t *event;
	size_t index;
	int result = 0;

	if (events && !json_is_array(events))
		return -EBADMSG;
	json_array_foreach (events, index, event) {
		result = take_event(event, answer, handler, context);
		if (result < 0)
			return result;
	}
	return 0;
}

const char *etcd_answer_error(const json_t *answer)
{
	const json_t *error = json_object_get(answer, "error");

	return json_is_object(error) ? json_string_value(json_object_get(error, "message"))
				     : json_string_value(error);
}

static void describe_end(const json_t *root, const json_t *result, struct etcd_watch_answer *answer)
{
	const char *words = json_string_value(json_object_get(result, "cancel_reason"));

	if (!words)
		words = etcd_answer_error(root);
	answer->is_canceled =
		json_object_get(root, "error") || json_is_true(json_object_get(result, "canceled"));
	snprintf(answer->reason, sizeof answer->reason, "%s",
		words		      ? words
		: answer->is_canceled ? "the watch was canceled"
				      : "");
}

static int take_watch(const json_t *root, struct etcd_watch_answer *answer,
	etcd_pair_handler *handler, void *context)
{
	const json_t *object = json_object_get(root, "result");
	int result;

	if (!json_is_object(object) && !json_object_get(root, "error"))
		return -EBADMSG;
	describe_end(root, object, answer);
	answer->is_fragment = json_is_true(json_object_get(object, "fragment"));
	answer->is_created = json_is_true(json_object_get(object, "created"));
	result = etcd_answer_header(object, &answer->header);
	if (result == 0)
		result = etcd_answer_number(object, "compact_revision", &answer->compact_revision);
	return result < 0
		       ? result
		       : take_events(json_object_get(object, "events"), answer, handler, context);
}

int etcd_answer_watch(const char *line, size_t bytes, struct etcd_watch_answer *answer,
	etcd_pair_handler *handler, void *context)
{
	json_t *root = json_loadb(line, bytes, 0, NULL);
	int result;

	*answer = (struct etcd_watch_answer){0};
	if (!root)
		return -EBADMSG;
	result = take_watch(root, answer, handler, context);
	json_decref(root);
	return result;
}
