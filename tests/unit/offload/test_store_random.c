/*
 * The storage module does what a model does that keeps everything in arrays: random requests of three clients, of which nobody waits.
 */
#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "store_fixture.h"

#define KEYS 24u
#define CLIENTS 3u
#define SAVEPOINTS 4u
#define STEPS 6000u

enum {
	ABSENT = -1,
	UNWRITTEN = -2,
};

struct pending {
	int value[KEYS]; /* UNWRITTEN, ABSENT, or what it is */
};

struct model_client {
	struct store_client *client;
	bool has_snapshot;
	int snapshot[KEYS];
	struct pending written;
	bool is_locked[KEYS];
	struct pending saved[SAVEPOINTS];
	unsigned saved_count;
};

static int committed[KEYS];
static struct model_client clients[CLIENTS];
static struct store_handle table;
static unsigned seed;

static unsigned below(unsigned limit)
{
	return (unsigned)rand_r(&seed) % limit;
}

static const char *key_text(unsigned key)
{
	static char text[16];

	snprintf(text, sizeof text, "%02u", key);
	return text;
}

/* ---- the model ---- */

static void model_reset(struct model_client *model)
{
	model->has_snapshot = false;
	model->saved_count = 0;
	memset(model->is_locked, 0, sizeof model->is_locked);
	for (unsigned key = 0; key < KEYS; key++)
		model->written.value[key] = UNWRITTEN;
}

/* Returns false if somebody else has it. */
static bool model_lock(struct model_client *model, unsigned key)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (&clients[i] != model && clients[i].is_locked[key])
			return false;
	}
	model->is_locked[key] = true;
	return true;
}

static int model_latest(const struct model_client *model, unsigned key)
{
	const int written = model->written.value[key];

	return written == UNWRITTEN ? committed[key] : written;
}

static void model_take_snapshot(struct model_client *model)
{
	if (!model->has_snapshot)
		memcpy(model->snapshot, committed, sizeof committed);
	model->has_snapshot = true;
}

static int model_read(const struct model_client *model, unsigned key)
{
	const int written = model->written.value[key];

	return written == UNWRITTEN ? model->snapshot[key] : written;
}

/* ---- steps ---- */

static void check_value(int status, struct store_bytes value, int expected)
{
	char text[16];

	if (expected == ABSENT) {
		assert_int_equal(status, STORE_NOT_FOUND);
		return;
	}
	assert_int_equal(status, STORE_OK);
	snprintf(text, sizeof text, "%d", expected);
	assert_int_equal(value.bytes, strlen(text));
	assert_memory_equal(value.data, text, value.bytes);
}

static void step_get(struct model_client *model)
{
	const unsigned key = below(KEYS);
	struct store_bytes value = {.data = NULL};

	model_take_snapshot(model);
	check_value(
		store_client_get(model->client, &table, 0, text_bytes(key_text(key)), 0, &value),
		value, model_read(model, key));
}

static void step_get_locked(struct model_client *model)
{
	const unsigned key = below(KEYS);
	struct store_bytes value = {.data = NULL};
	const int status = store_client_get(
		model->client, &table, 0, text_bytes(key_text(key)), STORE_EXCLUSIVE, &value);

	if (!model_lock(model, key))
		assert_int_equal(status, STORE_LOCK_TIMEOUT);
	else
		check_value(status, value, model_latest(model, key));
}

static void step_put(struct model_client *model)
{
	const unsigned key = below(KEYS);
	const int value = (int)below(100000);
	char text[16];
	int status;

	snprintf(text, sizeof text, "%d", value);
	status = fixture_put(model->client, &table, key_text(key), text);
	if (!model_lock(model, key)) {
		assert_int_equal(status, STORE_LOCK_TIMEOUT);
		return;
	}
	assert_int_equal(status, STORE_OK);
	model->written.value[key] = value;
}

static void step_insert(struct model_client *model)
{
	const unsigned key = below(KEYS);
	const bool had_lock = model->is_locked[key];
	const int status = fixture_insert(model->client, &table, key_text(key), "7");

	if (!model_lock(model, key)) {
		assert_int_equal(status, STORE_LOCK_TIMEOUT);
	} else if (model_latest(model, key) != ABSENT) {
		assert_int_equal(status, STORE_DUPLICATE);
		model->is_locked[key] = had_lock;
	} else {
		assert_int_equal(status, STORE_OK);
		model->written.value[key] = 7;
	}
}

static void step_delete(struct model_client *model)
{
	const unsigned key = below(KEYS);
	const int status = fixture_delete(model->client, &table, key_text(key));

	if (!model_lock(model, key)) {
		assert_int_equal(status, STORE_LOCK_TIMEOUT);
		return;
	}
	assert_int_equal(status, STORE_OK);
	model->written.value[key] = ABSENT;
}

static void append_expected(int value, unsigned key, char *text, size_t size)
{
	const size_t length = strlen(text);

	if (value != ABSENT)
		snprintf(text + length, size - length, "%s%02u=%d", length ? " " : "", key, value);
}

static void set_bounds(struct store_range *range, unsigned lower, unsigned upper,
	char lower_text[16], char upper_text[16])
{
	snprintf(lower_text, 16, "%s", key_text(lower));
	snprintf(upper_text, 16, "%s", key_text(upper));
	range->lower = text_bytes(lower_text);
	range->upper = text_bytes(upper_text);
}

static void step_scan(struct model_client *model)
{
	const unsigned lower = below(KEYS), upper = below(KEYS + 1);
	struct store_range range = {.handle = table, .rows_max = below(4)};
	char expected[1024] = "", lower_text[16], upper_text[16];

	set_bounds(&range, lower, upper, lower_text, upper_text);
	range.flags = below(2) ? STORE_BACKWARD : 0;
	model_take_snapshot(model);
	for (unsigned i = lower; i < upper; i++) {
		const unsigned key = range.flags ? upper - 1 - (i - lower) : i;

		append_expected(model_read(model, key), key, expected, sizeof expected);
	}
	assert_string_equal(fixture_scan(model->client, &range), expected);
}

static bool model_lock_all(struct model_client *model, unsigned lower, unsigned upper)
{
	const struct model_client before = *model;

	for (unsigned key = lower; key < upper; key++) {
		if (!model_lock(model, key)) {
			*model = before;
			return false;
		}
	}
	return true;
}

/* With what is between the rows; the interval is locked as one. */
static void step_scan_locked(struct model_client *model)
{
	const unsigned lower = below(KEYS), upper = lower + below(6);
	struct store_range range = {.handle = table};
	char expected[1024] = "", lower_text[16], upper_text[16];

	set_bounds(&range, lower, upper, lower_text, upper_text);
	range.flags = STORE_EXCLUSIVE | STORE_RANGE | (below(2) ? STORE_BACKWARD : 0);
	if (!model_lock_all(model, lower, upper < KEYS ? upper : KEYS)) {
		assert_string_equal(
			fixture_scan(model->client, &range), store_status_text(STORE_LOCK_TIMEOUT));
		return;
	}
	for (unsigned i = lower; i < upper; i++) {
		const unsigned key = range.flags & STORE_BACKWARD ? upper - 1 - (i - lower) : i;

		if (key < KEYS)
			append_expected(model_latest(model, key), key, expected, sizeof expected);
	}
	assert_string_equal(fixture_scan(model->client, &range), expected);
}

static void step_savepoint(struct model_client *model)
{
	if (model->saved_count == SAVEPOINTS)
		return;
	model->saved[model->saved_count++] = model->written;
	assert_int_equal(store_client_savepoint(model->client, model->saved_count), STORE_OK);
}

static void step_savepoint_rollback(struct model_client *model)
{
	const unsigned number = 1 + below(SAVEPOINTS);
	const int status = store_client_savepoint_rollback(model->client, number);

	if (number > model->saved_count) {
		assert_int_equal(status, STORE_NOT_FOUND);
		return;
	}
	assert_int_equal(status, STORE_OK);
	model->written = model->saved[number - 1];
	model->saved_count = number;
}

static void step_savepoint_release(struct model_client *model)
{
	const unsigned number = 1 + below(SAVEPOINTS);
	const int status = store_client_savepoint_release(model->client, number);

	assert_int_equal(status, number > model->saved_count ? STORE_NOT_FOUND : STORE_OK);
	if (number <= model->saved_count)
		model->saved_count = number - 1;
}

static void step_commit(struct model_client *model)
{
	assert_int_equal(store_client_commit(model->client, false), STORE_OK);
	for (unsigned key = 0; key < KEYS; key++)
		committed[key] = model_latest(model, key);
	model_reset(model);
}

static void step_rollback(struct model_client *model)
{
	assert_int_equal(store_client_rollback(model->client), STORE_OK);
	model_reset(model);
}

static void step_prepare(struct model_client *model)
{
	assert_int_equal(store_client_prepare(model->client, text_bytes("xid")), STORE_OK);
	assert_int_equal(
		store_client_commit_xid(model->client, text_bytes("xid"), false), STORE_OK);
	for (unsigned key = 0; key < KEYS; key++)
		committed[key] = model_latest(model, key);
	model_reset(model);
}

static void connect_all(void)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].client = fixture_connect();
		model_reset(&clients[i]);
	}
}

static void disconnect_all(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		store_client_close(clients[i].client);
}

static void step_reopen(struct model_client *model)
{
	if (below(20))
		return;
	disconnect_all();
	fixture_close();
	fixture_open();
	connect_all();
}

static void (*const steps[])(struct model_client *model) = {step_get, step_get, step_get_locked,
	step_put, step_put, step_put, step_insert, step_insert, step_delete, step_delete, step_scan,
	step_scan, step_scan_locked, step_savepoint, step_savepoint, step_savepoint_rollback,
	step_savepoint_release, step_commit, step_rollback, step_prepare, step_reopen};

static void random_requests_do_what_the_model_does(void **state)
{
	for (seed = 1; seed < 4; seed++) {
		const unsigned first_seed = seed;

		fixture_directory_create();
		fixture_open();
		connect_all();
		table = fixture_table(clients[0].client, "t", 1);
		for (unsigned key = 0; key < KEYS; key++)
			committed[key] = ABSENT;
		for (unsigned step = 0; step < STEPS; step++)
			steps[below(sizeof steps / sizeof steps[0])](&clients[below(CLIENTS)]);
		disconnect_all();
		fixture_close();
		fixture_directory_remove();
		seed = first_seed;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_requests_do_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
