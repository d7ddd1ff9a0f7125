/* Tables. Changes of them are durable when answered, so they are made where it may wait. */
#include "base/clock.h"
#include "call.h"

#define SIZES_FRESH_NS 1000000000ull   /* for how long sizes are good */
#define SIZES_USABLE_NS 60000000000ull /* and for how long where it may not wait */

static bool is_name(struct bytes name)
{
	return name.bytes && name.bytes <= STORE_NAME_BYTES_MAX;
}

static void answer_table(struct call *call, const struct table_view *view)
{
	call->answer.table.table = view->table;
	call->answer.table.generation = view->generation;
	call->answer.table.space_count = view->space_count;
}

/* ---- changes ---- */

static int metadata_too_big(struct call *call)
{
	return explain(&call->explanation, STORE_TOO_BIG, "a table's metadata has at most %u bytes",
		DICTIONARY_METADATA_BYTES_MAX);
}

int handle_table_create(struct call *call)
{
	const struct store_table_create *request = &call->request.create;
	struct table_plan plan = {.space_count = request->space_count, .counter = request->counter};
	struct table_view view;
	int outcome;

	if (!message_take_bytes(&call->rest, request->name_bytes, &plan.name) ||
		!is_name(plan.name) ||
		!call_take_last(call, request->metadata_bytes, &plan.metadata) ||
		!request->space_count || request->space_count > STORE_SPACES_MAX)
		return OUTCOME_MALFORMED;
	if (plan.metadata.bytes > DICTIONARY_METADATA_BYTES_MAX)
		return metadata_too_big(call);
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = dictionary_create(&call->store->dictionary, &plan, &view, &call->explanation);
	if (!outcome)
		answer_table(call, &view);
	return outcome;
}

int handle_table_drop(struct call *call)
{
	struct bytes name;
	int outcome;

	if (!call_take_last(call, call->request.name.name_bytes, &name) || !is_name(name))
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = dictionary_drop(&call->store->dictionary, name, &call->explanation);
	reclaimer_wake(&call->store->reclaimer);
	return outcome;
}

int handle_table_rename(struct call *call)
{
	const struct store_table_rename *request = &call->request.rename;
	struct bytes name, new_name;

	if (!message_take_bytes(&call->rest, request->name_bytes, &name) ||
		!call_take_last(call, request->new_name_bytes, &new_name) || !is_name(name) ||
		!is_name(new_name))
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	return dictionary_rename(&call->store->dictionary, name, new_name, &call->explanation);
}

int handle_table_truncate(struct call *call)
{
	const struct store_table *request = &call->request.table;
	int outcome;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = dictionary_truncate(
		&call->store->dictionary, request->table, request->generation, &call->explanation);
	reclaimer_wake(&call->store->reclaimer);
	return outcome;
}

int handle_table_metadata(struct call *call)
{
	const struct store_table_metadata *request = &call->request.metadata;
	struct bytes metadata;
	int outcome;

	if (!call_take_last(call, request->metadata_bytes, &metadata))
		return OUTCOME_MALFORMED;
	if (metadata.bytes > DICTIONARY_METADATA_BYTES_MAX)
		return metadata_too_big(call);
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = dictionary_set_metadata(&call->store->dictionary, request->table.table,
		request->table.generation, metadata, &call->explanation);
	/* What is in there may be about the rows that there are now. */
	if (!outcome)
		dictionary_store_rows(&call->store->dictionary);
	return outcome;
}

/* ---- looking ---- */

static int open_found(struct call *call, const struct table *table)
{
	const struct generation *generation = table->generation;
	rocksdb_pinnableslice_t *pinned;
	size_t bytes;
	const char *metadata;
	int outcome = dictionary_metadata(&call->store->dictionary, table,
		call_read_options(call, NULL), &pinned, &call->explanation);

	if (outcome)
		return outcome;
	metadata = rocksdb_pinnableslice_value(pinned, &bytes);
	answer_table(call, &(struct table_view){.table = table->id,
				   .generation = generation->number,
				   .space_count = generation->space_count});
	call->answer.table.metadata_bytes = (uint32_t)bytes;
	outcome = call_append(call, metadata, bytes);
	rocksdb_pinnableslice_destroy(pinned);
	return outcome;
}

int handle_table_open(struct call *call)
{
	struct dictionary *dictionary = &call->store->dictionary;
	const struct table *table;
	struct bytes name;
	int outcome = STORE_NOT_FOUND;

	if (!call_take_last(call, call->request.name.name_bytes, &name) || !is_name(name))
		return OUTCOME_MALFORMED;
	if (!dictionary_share(dictionary, call->may_wait))
		return OUTCOME_WOULD_WAIT;
	table = dictionary_find_name(dictionary, name);
	if (table)
		outcome = open_found(call, table);
	dictionary_unshare(dictionary);
	return outcome;
}

static int list(struct call *call, struct bytes prefix)
{
	const struct table *table = NULL;
	int outcome = STORE_OK;

	while (!outcome && (table = dictionary_next(&call->store->dictionary, table))) {
		if (table->name_bytes < prefix.bytes ||
			memcmp(table->name, prefix.data, prefix.bytes) != 0)
			continue;
		call->answer.list.count++;
		outcome = call_append_item(
			call, (struct bytes){.data = table->name, .bytes = table->name_bytes});
	}
	return outcome;
}

int handle_table_list(struct call *call)
{
	struct dictionary *dictionary = &call->store->dictionary;
	struct bytes prefix;
	int outcome;

	if (!call_take_last(call, call->request.name.name_bytes, &prefix))
		return OUTCOME_MALFORMED;
	if (!dictionary_share(dictionary, call->may_wait))
		return OUTCOME_WOULD_WAIT;
	outcome = list(call, prefix);
	dictionary_unshare(dictionary);
	return outcome;
}

/* ---- status ---- */

static int sizes(struct call *call)
{
	struct generation *generation = call->generation;
	const uint32_t first = generation->space_first;
	char bounds[3][SPACE_BYTES];
	const char *lowers[] = {bounds[0], bounds[1]}, *uppers[] = {bounds[1], bounds[2]};
	const size_t lengths[] = {SPACE_BYTES, SPACE_BYTES};
	uint64_t bytes[2];
	char *message = NULL;

	space_write(bounds[0], first);
	space_write(bounds[1], first + 1);
	space_write(bounds[2], first + generation->space_count);
	rocksdb_approximate_sizes(
		call->store->database.db, 2, lowers, lengths, uppers, lengths, bytes, &message);
	__atomic_store_n(&generation->data_bytes, bytes[0], __ATOMIC_RELAXED);
	__atomic_store_n(&generation->index_bytes, bytes[1], __ATOMIC_RELAXED);
	__atomic_store_n(&generation->sizes_time_ns, clock_now_ns(), __ATOMIC_RELAXED);
	return database_outcome(message, &call->explanation);
}

/* RocksDB may have to read for that. */
static int refresh_sizes(struct call *call)
{
	const uint64_t time_ns =
		__atomic_load_n(&call->generation->sizes_time_ns, __ATOMIC_RELAXED);
	const uint64_t age_ns = time_ns ? clock_now_ns() - time_ns : UINT64_MAX;

	if (age_ns < SIZES_FRESH_NS || (!call->may_wait && age_ns < SIZES_USABLE_NS))
		return STORE_OK;
	return call->may_wait ? sizes(call) : OUTCOME_WOULD_WAIT;
}

int handle_table_status(struct call *call)
{
	struct generation *generation = call->generation;
	struct store_table_status_reply *answer = &call->answer.status;
	const int64_t rows = __atomic_load_n(&generation->rows, __ATOMIC_RELAXED);
	int outcome;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	outcome = refresh_sizes(call);
	if (outcome)
		return outcome;
	answer->rows = rows > 0 ? (uint64_t)rows : 0;
	answer->data_bytes = __atomic_load_n(&generation->data_bytes, __ATOMIC_RELAXED);
	answer->index_bytes = __atomic_load_n(&generation->index_bytes, __ATOMIC_RELAXED);
	answer->counter = __atomic_load_n(&generation->counter_next, __ATOMIC_RELAXED);
	return STORE_OK;
}
