/* What is left of the storage module's contents when its process is killed. */
#include "../cmocka_all.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

#define ROUNDS 8u

static int set_up(void **state)
{
	fixture_directory_create();
	return 0;
}

static int tear_down(void **state)
{
	fixture_directory_remove();
	return 0;
}

/* ---- a process that is killed ---- */

struct victim {
	pid_t pid;
	int reports; /* what it writes */
};

static struct victim start_with(void (*work)(int reports), bool has_module)
{
	struct victim victim;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fflush(stdout);
	victim.pid = fork();
	assert_true(victim.pid >= 0);
	if (!victim.pid) {
		close(ends[0]);
		if (has_module)
			fixture_open();
		work(ends[1]);
		pause();
	}
	close(ends[1]);
	victim.reports = ends[0];
	return victim;
}

/* Start one that runs `work`, which reports; what it asserts is seen by its reports' end. */
static struct victim start(void (*work)(int reports))
{
	return start_with(work, true);
}

static struct victim start_without_module(void (*work)(int reports))
{
	return start_with(work, false);
}

static void report(int reports, uint64_t number)
{
	if (write(reports, &number, sizeof number) != (ssize_t)sizeof number)
		_exit(1);
}

static uint64_t next_report(const struct victim *victim)
{
	uint64_t number;

	assert_int_equal(read(victim->reports, &number, sizeof number), sizeof number);
	return number;
}

static void end(const struct victim *victim)
{
	int status;

	assert_int_equal(kill(victim->pid, SIGKILL), 0);
	assert_int_equal(waitpid(victim->pid, &status, 0), victim->pid);
	assert_true(WIFSIGNALED(status));
	close(victim->reports);
}

static struct store_handle opened(struct store_client *client, const char *name)
{
	struct store_handle table;

	assert_int_equal(store_client_table_open(client, text_bytes(name), &table, NULL), STORE_OK);
	return table;
}

/* The victim ends; a client of the module that follows it, and the table "t". */
static struct store_client *succeed(const struct victim *victim, struct store_handle *table)
{
	struct store_client *client;

	end(victim);
	fixture_open();
	client = fixture_connect();
	*table = opened(client, "t");
	return client;
}

/* ---- what is committed, and what is not ---- */

static void commit_some(int reports)
{
	struct store_client *first = fixture_connect(), *second = fixture_connect();
	struct store_handle table = fixture_table(first, "t", 1);

	fixture_put(first, &table, "committed", "1");
	store_client_commit(first, false);
	fixture_put(first, &table, "durable", "1");
	store_client_commit(first, true);
	fixture_put(first, &table, "prepared", "1");
	store_client_prepare(first, text_bytes("xid"));
	fixture_put(first, &table, "unfinished", "1");
	fixture_put(second, &table, "rolled back", "1");
	store_client_rollback(second);
	report(reports, 1);
}

static void what_is_committed_outlives_a_crash_and_nothing_else(void **state)
{
	const struct victim victim = start(commit_some);
	struct store_client *client;
	struct store_handle table;

	assert_int_equal(next_report(&victim), 1);
	client = succeed(&victim, &table);
	assert_string_equal(fixture_scan(client, &(struct store_range){.handle = table}),
		"committed=1 durable=1");
	assert_int_equal(fixture_put(client, &table, "prepared", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_commit_xid(client, text_bytes("xid"), true), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "prepared", STORE_FRESH), "1");
	store_client_close(client);
	fixture_close();
}

/* Of 4000 bytes, in one transaction: more than twice what a segment of the commit log has. */
#define LARGE_ROWS 1200u

static const char *large_value(void)
{
	static char value[4001];

	memset(value, 'v', sizeof value - 1);
	return value;
}

static void put_large(
	struct store_client *client, const struct store_handle *table, const char *prefix)
{
	char key[16];

	for (unsigned i = 0; i < LARGE_ROWS; i++) {
		snprintf(key, sizeof key, "%s%u", prefix, i);
		fixture_put(client, table, key, large_value());
	}
	store_client_commit(client, true);
}

static void commit_large(int reports)
{
	struct store_client *client = fixture_connect();
	struct store_handle table = fixture_table(client, "t", 1);

	put_large(client, &table, "a");
	put_large(client, &table, "b");
	fixture_put(client, &table, "c", "1");
	store_client_commit(client, true);
	report(reports, 1);
}

static void what_is_larger_than_a_segment_of_the_log_outlives_a_crash(void **state)
{
	const struct victim victim = start(commit_large);
	struct store_client *client;
	struct store_handle table;

	assert_int_equal(next_report(&victim), 1);
	client = succeed(&victim, &table);
	assert_string_equal(fixture_get(client, &table, "a0", STORE_FRESH), large_value());
	assert_string_equal(fixture_get(client, &table, "b1199", STORE_FRESH), large_value());
	assert_string_equal(fixture_get(client, &table, "c", STORE_FRESH), "1");
	store_client_close(client);
	fixture_close();
}

/* ---- killed anywhere ---- */

static void change_all_the_time(int reports)
{
	struct store_client *client = fixture_connect();
	struct store_handle table, numbers;
	uint64_t number;
	char text[24];

	if (store_client_table_open(client, text_bytes("t"), &table, NULL)) {
		fixture_table(client, "t", 3);
		fixture_table(client, "numbers", 1);
	}
	numbers = opened(client, "numbers");
	for (unsigned i = 1;; i++) {
		table = opened(client, "t");
		snprintf(text, sizeof text, "%u", i);
		fixture_put(client, &table, "a", text);
		fixture_put(client, &table, "b", text);
		store_client_commit(client, false);
		if (i % 5 == 0)
			store_client_table_truncate(client, &table);
		if (store_client_counter(client, &numbers, 1, 1, 0, 100, &number))
			_exit(1);
		report(reports, number);
	}
}

static void check_pair(struct store_client *client)
{
	struct store_handle table = opened(client, "t");
	const char *value = fixture_get(client, &table, "a", 0);
	char first[24] = "";

	if (value)
		snprintf(first, sizeof first, "%s", value);
	value = fixture_get(client, &table, "b", 0);
	assert_string_equal(first, value ? value : "");
}

static void a_crash_at_any_time_leaves_whole_transactions_and_new_numbers(void **state)
{
	uint64_t last = 0, number;
	struct store_client *client;

	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct victim victim = start(change_all_the_time);

		for (unsigned i = 0; i < 10 + 7 * round; i++) {
			number = next_report(&victim);
			assert_true(number > last);
			last = number + 99;
		}
		end(&victim);
		fixture_open();
		client = fixture_connect();
		check_pair(client);
		store_client_close(client);
		fixture_close();
	}
}

/* ---- a full device ---- */

#define ROW_BYTES 1000u

/* Text that no compression makes much of. */
static void fill_value(char value[ROW_BYTES])
{
	for (unsigned i = 0; i < ROW_BYTES - 1; i++)
		value[i] = (char)('0' + random() % 64);
	value[ROW_BYTES - 1] = '\0';
}

/* A small device of its own where the module's directory is. Returns false if that is not allowed here. */
static bool mount_small_device(void)
{
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("small", fixture_directory(), "tmpfs", 0, "size=24m");
}

/* Returns how many rows were committed before there was no space. */
static unsigned commit_until_full(struct store_client *client, const struct store_handle *table)
{
	char key[16], value[ROW_BYTES];
	int status = STORE_OK;
	unsigned count = 0;

	while (status == STORE_OK) {
		fill_value(value);
		snprintf(key, sizeof key, "%08u", count);
		assert_int_equal(fixture_put(client, table, key, value), STORE_OK);
		status = store_client_commit(client, true);
		count += status == STORE_OK;
	}
	assert_int_equal(status, STORE_NO_SPACE);
	assert_int_equal(store_client_rollback(client), STORE_OK);
	return count;
}

static unsigned count_rows(struct store_client *client, const struct store_handle *table)
{
	struct store_range range = {.handle = *table, .flags = STORE_KEYS_ONLY};
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;
	unsigned count = 0;

	store_cursor_begin(&cursor, &range);
	while (!store_cursor_next(&cursor, client, &row))
		count++;
	store_cursor_end(&cursor);
	return count;
}

static void fill_the_device(int reports)
{
	struct store_client *client = fixture_connect();
	const struct store_handle table = fixture_table(client, "t", 1);
	const unsigned count = commit_until_full(client, &table);

	report(reports, count);
	report(reports, count_rows(client, &table));
}

static void look_after_a_crash(int reports)
{
	struct store_client *client = fixture_connect();
	const struct store_handle table = opened(client, "t");

	report(reports, count_rows(client, &table));
}

/* Both lives are in one process's namespace; they have ended when it reports. */
static void fill_and_look(int reports)
{
	uint64_t committed, seen, seen_later;
	struct victim victim;

	if (!mount_small_device()) {
		report(reports, UINT64_MAX);
		return;
	}
	victim = start(fill_the_device);
	committed = next_report(&victim);
	seen = next_report(&victim);
	end(&victim);
	/* What is in the log is written to the database at the start, which takes room. */
	if (mount("small", fixture_directory(), "tmpfs", MS_REMOUNT, "size=64m"))
		_exit(1);
	victim = start(look_after_a_crash);
	seen_later = next_report(&victim);
	end(&victim);
	report(reports, committed);
	report(reports, seen);
	report(reports, seen_later);
}

static void a_full_device_refuses_commits_and_keeps_those_before(void **state)
{
	const struct victim victim = start_without_module(fill_and_look);
	const uint64_t committed = next_report(&victim);

	if (committed != UINT64_MAX) {
		assert_true(committed > 0);
		assert_int_equal(next_report(&victim), committed);
		assert_int_equal(next_report(&victim), committed);
	}
	end(&victim);
	if (committed == UINT64_MAX)
		skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		/* First those that have RocksDB write files: who forks after RocksDB has started its threads has none of them. */
		TEST(a_full_device_refuses_commits_and_keeps_those_before),
		TEST(what_is_larger_than_a_segment_of_the_log_outlives_a_crash),
		TEST(what_is_committed_outlives_a_crash_and_nothing_else),
		TEST(a_crash_at_any_time_leaves_whole_transactions_and_new_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
