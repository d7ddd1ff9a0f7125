/*
 * A table's counter.
 *
 * Theory of operation. The database says where numbers begin after a crash, and that is kept ahead of the numbers that are given: they are
 * reserved durably in blocks, and given from memory. After a series it stands a whole step behind the last number, so that the next
 * series leaves the room between two numbers to others, whatever its own step is.
 */
#include "call.h"
#include "dictionary_record.h"

#define COUNTER_BLOCK 1024u /* how far ahead */

/* Returns false if there is no such number. */
static bool first_number(uint64_t next, const struct store_counter *request, uint64_t *first)
{
	const uint64_t step = request->step ? request->step : 1;
	const uint64_t from = next > request->least ? next : request->least;
	const uint64_t ahead = (request->offset % step + step - from % step) % step;

	return !__builtin_add_overflow(from, ahead, first);
}

/* Where the counter stands after the request. Returns false if it has no such numbers. */
static bool next_after(uint64_t first, const struct store_counter *request, uint64_t *next)
{
	const uint64_t step = request->step ? request->step : 1;
	uint64_t span, last;

	if (!request->count) {
		*next = first;
		return true;
	}
	if (__builtin_mul_overflow(request->count - 1, step, &span) ||
		__builtin_add_overflow(first, span, &last) || last == UINT64_MAX)
		return false;
	*next = step > UINT64_MAX - last ? UINT64_MAX : last + step;
	return true;
}

static int raise_limit(struct call *call, uint64_t next)
{
	struct generation *generation = call->generation;
	const uint64_t limit =
		next > UINT64_MAX - COUNTER_BLOCK ? UINT64_MAX : next + COUNTER_BLOCK;
	rocksdb_writebatch_t *batch;
	int outcome;

	if (next <= generation->counter_limit)
		return STORE_OK;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	batch = rocksdb_writebatch_create();
	record_put(
		batch, record_key_number(RECORD_COUNTER, generation->table), &limit, sizeof limit);
	outcome = database_write(&call->store->database, batch, DATABASE_SYNC | DATABASE_MAY_WAIT,
		&call->explanation);
	rocksdb_writebatch_destroy(batch);
	if (!outcome)
		generation->counter_limit = limit;
	return outcome;
}

/* With the mutex, and the gate, so that no record of a generation comes after its end. */
static int reserve(struct call *call)
{
	const struct store_counter *request = &call->request.counter;
	struct generation *generation = call->generation;
	uint64_t first, next;
	int outcome;

	if (generation_is_dead(generation))
		return explain(&call->explanation, STORE_STALE, "the table was truncated");
	first = generation->counter_next > request->least ? generation->counter_next
							  : request->least;
	if ((request->count && !first_number(generation->counter_next, request, &first)) ||
		!next_after(first, request, &next))
		return explain(&call->explanation, STORE_TOO_BIG, "there are no more numbers");
	outcome = raise_limit(call, next);
	if (outcome)
		return outcome;
	__atomic_store_n(&generation->counter_next, next, __ATOMIC_RELAXED);
	call->answer.counter.first = first;
	return STORE_OK;
}

static bool lock(pthread_mutex_t *mutex, bool may_wait)
{
	return !(may_wait ? pthread_mutex_lock(mutex) : pthread_mutex_trylock(mutex));
}

int handle_counter(struct call *call)
{
	struct dictionary *dictionary = &call->store->dictionary;
	int outcome = OUTCOME_WOULD_WAIT;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!dictionary_share(dictionary, call->may_wait))
		return outcome;
	if (lock(&dictionary->counter_mutex, call->may_wait)) {
		outcome = reserve(call);
		pthread_mutex_unlock(&dictionary->counter_mutex);
	}
	dictionary_unshare(dictionary);
	return outcome;
}
