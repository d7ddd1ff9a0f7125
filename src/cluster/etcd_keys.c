#include "cluster/etcd_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* So many of ours are a small part of an answer. */
#define PAGE_KEYS 256u

/* ---- reading ---- */

/* Reading on, page by page. */
struct reading {
	etcd_pair_handler *handler;
	void *context;
	char *last; /* key of the page before; NULL: there was none */
	size_t last_bytes;
	bool is_failed; /* no memory for `last` */
};

/* PREFIX/ up to, but without, PREFIX0: 0 follows /. */
json_t *etcd_keys_below(const char *prefix)
{
	char begin[ETCD_PREFIX_BYTES + 1], end[ETCD_PREFIX_BYTES + 1];

	snprintf(begin, sizeof begin, "%s/", prefix);
	snprintf(end, sizeof end, "%s0", prefix);
	return json_pack("{s:o, s:o}", "key", etcd_encode(begin, strlen(begin)), "range_end",
		etcd_encode(end, strlen(end)));
}

static json_t *number_text(int64_t number)
{
	return json_sprintf("%lld", (long long)number);
}

/* The next key there can be is the last one and a zero byte, which stands behind it anyway. */
static json_t *page_request(
	const char *prefix, const struct reading *reading, unsigned limit, int64_t revision)
{
	json_t *request = etcd_keys_below(prefix);

	json_object_set_new(request, "limit", number_text(limit));
	json_object_set_new(request, "revision", number_text(revision));
	if (reading->last)
		json_object_set_new(
			request, "key", etcd_encode(reading->last, reading->last_bytes + 1));
	return request;
}

static void take_pair(void *context, const struct etcd_pair *pair)
{
	struct reading *reading = context;
	char *last = realloc(reading->last, pair->key_bytes + 1);

	reading->is_failed |= !last;
	if (!last)
		return;
	memcpy(last, pair->key, pair->key_bytes + 1);
	reading->last = last;
	reading->last_bytes = pair->key_bytes;
	reading->handler(reading->context, pair);
}

static int take_page(struct reading *reading, const json_t *answer, struct etcd_header *header,
	bool *is_more, struct error *error)
{
	int result = 0;

	if (!header->revision)
		result = etcd_answer_header(answer, header);
	if (result == 0)
		result = etcd_answer_pairs(answer, take_pair, reading, is_more);
	if (result == 0 && reading->is_failed)
		result = -ENOMEM;
	return result < 0 ? error_set(error, result, "the answer is not one of etcd's") : 0;
}

int etcd_read_all(struct etcd_client *client, const char *prefix, etcd_pair_handler *handler,
	void *context, struct etcd_header *header, struct error *error)
{
	struct reading reading = {.handler = handler, .context = context};
	unsigned limit = PAGE_KEYS;
	bool is_more = true;
	int result = 0;

	*header = (struct etcd_header){0};
	while (result == 0 && is_more) {
		json_t *answer;

		result = etcd_client_call(client, "kv/range",
			page_request(prefix, &reading, limit, header->revision), &answer, error);
		if (result == 0)
			result = take_page(&reading, answer, header, &is_more, error);
		/* Somebody else's keys; each alone fits. */
		if (result == -EMSGSIZE && limit > 1) {
			limit /= 2;
			result = 0;
		}
		json_decref(answer);
	}
	free(reading.last);
	return result;
}

int etcd_read_header(struct etcd_client *client, const char *prefix, struct etcd_header *header,
	struct error *error)
{
	json_t *request = etcd_keys_below(prefix), *answer;
	int result;

	json_object_set_new(request, "count_only", json_true());
	result = etcd_client_call(client, "kv/range", request, &answer, error);
	if (result == 0 && etcd_answer_header(answer, header) < 0)
		result = error_set(error, -EBADMSG, "the answer is not one of etcd's");
	json_decref(answer);
	return result;
}

/* ---- changing ---- */

static json_t *change_request(const struct etcd_change *change, int64_t lease)
{
	json_t *key = etcd_encode(change->key, strlen(change->key));

	if (!change->value)
		return json_pack("{s:{s:o}}", "request_delete_range", "key", key);
	return json_pack("{s:{s:o, s:o, s:o}}", "request_put", "key", key, "value",
		etcd_encode(change->value, strlen(change->value)), "lease", number_text(lease));
}

/* Without a condition, a transaction always succeeds. */
int etcd_change_keys(struct etcd_client *client, const struct etcd_change *changes, unsigned count,
	int64_t lease, struct error *error)
{
	json_t *list = json_array(), *answer;
	int result;

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(list, change_request(&changes[i], lease));
	result = etcd_client_call(
		client, "kv/txn", json_pack("{s:o}", "success", list), &answer, error);
	json_decref(answer);
	return result;
}

/* ---- leases ---- */

int etcd_grant_lease(
	struct etcd_client *client, uint64_t seconds, int64_t *lease, struct error *error)
{
	json_t *request = json_pack("{s:o}", "TTL", number_text((int64_t)seconds)), *answer;
	int result = etcd_client_call(client, "lease/grant", request, &answer, error);

	if (result == 0 && (etcd_answer_number(answer, "ID", lease) < 0 || !*lease))
		result = error_set(error, -EBADMSG, "no lease was given");
	json_decref(answer);
	return result;
}

/* The answer is one object of a stream; of a lease that is no more it has no TTL. */
int etcd_keep_lease(struct etcd_client *client, int64_t lease, struct error *error)
{
	json_t *request = json_pack("{s:o}", "ID", number_text(lease)), *answer;
	int result = etcd_client_call(client, "lease/keepalive", request, &answer, error);
	int64_t ttl = 0;

	if (result == 0 && etcd_answer_number(json_object_get(answer, "result"), "TTL", &ttl) < 0)
		result = error_set(error, -EBADMSG, "the answer is not one of etcd's");
	else if (result == 0 && !ttl)
		result = error_set(error, -ENOENT, "the lease has run out");
	json_decref(answer);
	return result;
}

int etcd_revoke_lease(struct etcd_client *client, int64_t lease, struct error *error)
{
	json_t *request = json_pack("{s:o}", "ID", number_text(lease)), *answer;
	int result = etcd_client_call(client, "lease/revoke", request, &answer, error);

	json_decref(answer);
	return result;
}
