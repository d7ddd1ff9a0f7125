/* What etcd answers and streams: cut into objects, and taken apart. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/etcd_answer.h"
#include "cluster/etcd_lines.h"
#include "cluster/etcd_watch.h"

#define HEADER "\"header\":{\"cluster_id\":\"18446744073709551615\",\"revision\":\"7\"}"
/* "/s/a" and "1" */
#define PAIR(revision) \
	"{\"key\":\"L3MvYQ==\",\"value\":\"MQ==\",\"mod_revision\":\"" #revision "\"}"

static char taken[256]; /* what came, as text */

static int note_line(void *context, const char *line, size_t bytes)
{
	snprintf(taken + strlen(taken), sizeof taken - strlen(taken), "<%.*s>", (int)bytes, line);
	return *line == '!' ? -ECANCELED : 0;
}

static void note_pair(void *context, const struct etcd_pair *pair)
{
	snprintf(taken + strlen(taken), sizeof taken - strlen(taken), "%s%s=%s@%d ",
		pair->is_deleted ? "-" : "", pair->key, pair->value, (int)pair->mod_revision);
}

static int set_up(void **state)
{
	*taken = '\0';
	return 0;
}

/* ---- lines ---- */

static void a_stream_is_cut_at_its_newlines_however_it_arrives(void **state)
{
	static const char stream[] = "{1}\n\n{22}\n{333}\n{4";

	for (size_t step = 1; step < sizeof stream; step++) {
		struct etcd_lines lines = {0};

		*taken = '\0';
		for (size_t at = 0; at < sizeof stream - 1; at += step) {
			size_t left = sizeof stream - 1 - at;

			assert_int_equal(etcd_lines_feed(&lines, stream + at,
						 left < step ? left : step, note_line, NULL),
				0);
		}
		assert_string_equal(taken, "<{1}><{22}><{333}>");
		assert_int_equal(lines.used, 2);
		etcd_lines_reset(&lines);
	}
}

static void a_handler_ends_the_stream(void **state)
{
	struct etcd_lines lines = {0};

	assert_int_equal(etcd_lines_feed(&lines, "a\n!\nb\n", 6, note_line, NULL), -ECANCELED);
	assert_string_equal(taken, "<a><!>");
	etcd_lines_reset(&lines);
}

static void a_line_without_end_is_refused(void **state)
{
	struct etcd_lines lines = {0};
	char block[4096];
	size_t fed = 0;
	int result = 0;

	memset(block, 'x', sizeof block);
	for (; result == 0; fed += sizeof block)
		result = etcd_lines_feed(&lines, block, sizeof block, note_line, NULL);
	assert_int_equal(result, -EMSGSIZE);
	assert_int_equal(fed, ETCD_OBJECT_BYTES_MAX + sizeof block);
	etcd_lines_reset(&lines);
}

/* ---- ranges ---- */

static int take_range(const char *text)
{
	json_t *answer = json_loads(text, 0, NULL);
	bool is_more;
	int result = etcd_answer_pairs(answer, note_pair, NULL, &is_more);

	json_decref(answer);
	return result < 0 ? result : is_more;
}

static void a_range_gives_its_keys_in_order(void **state)
{
	assert_int_equal(take_range("{\"kvs\":[" PAIR(3) "," PAIR(4) "],\"more\":true}"), true);
	assert_string_equal(taken, "/s/a=1@3 /s/a=1@4 ");
	assert_int_equal(take_range("{}"), false);
}

static void what_is_not_of_the_gateways_form_is_refused(void **state)
{
	assert_int_equal(take_range("{\"kvs\":7}"), -EBADMSG);
	assert_int_equal(take_range("{\"kvs\":[7]}"), -EBADMSG);
	assert_int_equal(take_range("{\"kvs\":[{\"key\":\"L3MvYQ\"}]}"), -EBADMSG);
	assert_int_equal(
		take_range("{\"kvs\":[{\"key\":\"L3MvYQ==\",\"value\":\"?\"}]}"), -EBADMSG);
	assert_int_equal(
		take_range("{\"kvs\":[{\"key\":\"L3MvYQ==\",\"mod_revision\":\"-1\"}]}"), -EBADMSG);
	assert_int_equal(take_range("{\"kvs\":[{\"key\":\"L3MvYQ==\",\"mod_revision\":"
				    "\"9223372036854775808\"}]}"),
		-EBADMSG);
	assert_string_equal(taken, "");
}

static void a_header_has_the_largest_numbers(void **state)
{
	json_t *answer = json_loads("{" HEADER "}", 0, NULL);
	struct etcd_header header;

	assert_int_equal(etcd_answer_header(answer, &header), 0);
	assert_true(header.cluster_id == UINT64_MAX);
	assert_int_equal(header.revision, 7);
	json_decref(answer);
}

static void errors_are_told_in_either_form(void **state)
{
	json_t *text = json_loads("{\"error\":\"no lease\",\"code\":5}", 0, NULL);
	json_t *object = json_loads("{\"error\":{\"message\":\"no leader\"}}", 0, NULL);

	assert_string_equal(etcd_answer_error(text), "no lease");
	assert_string_equal(etcd_answer_error(object), "no leader");
	json_decref(text);
	json_decref(object);
}

/* ---- watches ---- */

static int feed(struct etcd_watch *watch, const char *text)
{
	return etcd_watch_take(watch, text, strlen(text));
}

static void a_watch_moves_on_with_its_events_and_not_before(void **state)
{
	struct etcd_watch watch = {.handler = note_pair, .revision = 2};

	assert_int_equal(feed(&watch, "{\"result\":{" HEADER ",\"created\":true}}\n"), 0);
	assert_true(watch.is_created);
	assert_int_equal(watch.revision, 2); /* what lies between is still to come */
	assert_int_equal(feed(&watch, "{\"result\":{" HEADER ",\"events\":[{\"kv\":" PAIR(
					      4) "},{\"type\":\"DELETE\",\"kv\":" PAIR(5) "}]}}\n"),
		0);
	assert_int_equal(watch.revision, 5);
	assert_string_equal(taken, "/s/a=1@4 -/s/a=1@5 ");
	assert_int_equal(feed(&watch, "{\"result\":{" HEADER "}}\n"), 0);
	assert_int_equal(watch.revision, 7); /* nothing else, up to now */
	etcd_lines_reset(&watch.lines);
}

static void a_change_in_parts_counts_with_its_last(void **state)
{
	struct etcd_watch watch = {.handler = note_pair, .revision = 2};

	feed(&watch,
		"{\"result\":{" HEADER ",\"fragment\":true,\"events\":[{\"kv\":" PAIR(4) "}]}}\n");
	assert_int_equal(watch.revision, 2);
	feed(&watch, "{\"result\":{" HEADER ",\"events\":[{\"kv\":" PAIR(4) "}]}}\n");
	assert_int_equal(watch.revision, 4);
	etcd_lines_reset(&watch.lines);
}

static void lost_history_ends_a_watch(void **state)
{
	struct etcd_watch watch = {.handler = note_pair, .revision = 2};

	assert_int_equal(feed(&watch, "{\"result\":{\"canceled\":true,\"compact_revision\":"
				      "\"5\"}}\n"),
		-ECANCELED);
	assert_true(watch.is_history_gone);
	etcd_lines_reset(&watch.lines);
}

static void a_watch_says_why_it_has_ended(void **state)
{
	struct etcd_watch watch = {.handler = note_pair, .revision = 2};

	assert_int_equal(
		feed(&watch, "{\"error\":{\"message\":\"etcdserver: no leader\"}}\n"), -ECANCELED);
	assert_string_equal(watch.reason, "etcdserver: no leader");
	assert_false(watch.is_history_gone);
	assert_int_equal(feed(&watch, "{}\n"), -EBADMSG);
	assert_int_equal(feed(&watch, "<html>\n"), -EBADMSG);
	etcd_lines_reset(&watch.lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_stream_is_cut_at_its_newlines_however_it_arrives, set_up),
		cmocka_unit_test_setup(a_handler_ends_the_stream, set_up),
		cmocka_unit_test_setup(a_line_without_end_is_refused, set_up),
		cmocka_unit_test_setup(a_range_gives_its_keys_in_order, set_up),
		cmocka_unit_test_setup(what_is_not_of_the_gateways_form_is_refused, set_up),
		cmocka_unit_test_setup(a_header_has_the_largest_numbers, set_up),
		cmocka_unit_test_setup(errors_are_told_in_either_form, set_up),
		cmocka_unit_test_setup(a_watch_moves_on_with_its_events_and_not_before, set_up),
		cmocka_unit_test_setup(a_change_in_parts_counts_with_its_last, set_up),
		cmocka_unit_test_setup(lost_history_ends_a_watch, set_up),
		cmocka_unit_test_setup(a_watch_says_why_it_has_ended, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
