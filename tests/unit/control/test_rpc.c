/* JSON-RPC 2.0, as its specification has it. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/socket/rpc.h"

static unsigned calls;

static int echo(void *context, const json_t *params, json_t **result, struct error *error)
{
	calls++;
	*result = json_incref((json_t *)params);
	return 0;
}

static int refuse(void *context, const json_t *params, json_t **result, struct error *error)
{
	return error_set(error, -ENOSPC, "the pool is full");
}

static int misunderstand(void *context, const json_t *params, json_t **result, struct error *error)
{
	return error_set(error, -EINVAL, "size: \xff");
}

static const struct rpc_method methods[] = {
	{"echo", echo},
	{"refuse", refuse},
	{"misunderstand", misunderstand},
	{0},
};

static void expect(const char *line, const char *expected)
{
	char *answer = rpc_answer(methods, NULL, line, strlen(line));

	if (expected)
		assert_string_equal(answer, expected);
	else
		assert_null(answer);
	free(answer);
}

static void a_call_is_answered_with_its_id(void **state)
{
	expect("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"echo\",\"params\":{\"a\":1}}",
		"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"a\":1}}\n");
	expect("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{}}\n");
}

static void a_notification_is_done_and_not_answered(void **state)
{
	calls = 0;
	expect("{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", NULL);
	assert_int_equal(calls, 1);
}

static void a_failure_carries_message_and_errno(void **state)
{
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"refuse\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":"
		"\"the pool is full\",\"data\":{\"errno\":\"ENOSPC\"}}}\n");
}

static void a_message_that_json_cannot_carry_still_fails_the_call(void **state)
{
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"misunderstand\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":"
		"\"failed, for a reason that is not UTF-8\",\"data\":{\"errno\":\"EINVAL\"}}}\n");
}

static void an_unknown_method_suggests_the_nearest(void **state)
{
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ehco\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32601,\"message\":"
		"\"no such method; did you mean 'echo'?\"}}\n");
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const wrong[] = {
		"{}",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1}",
		"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"echo\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":1}",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		expect(wrong[i],
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
			"\"not a JSON-RPC 2.0 request; it needs jsonrpc, method and id\"}}\n");
}

static void parameters_are_by_name(void **state)
{
	expect("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\",\"params\":[1]}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32602,\"message\":"
		"\"params must be an object\"}}\n");
}

static void what_is_no_json_is_refused(void **state)
{
	char *answer = rpc_answer(methods, NULL, "{\"jsonrpc\"", 10);

	assert_non_null(strstr(answer, "-32700"));
	free(answer);
	answer = rpc_answer(methods, NULL, "\xff\xfe", 2);
	assert_non_null(strstr(answer, "-32700"));
	free(answer);
}

static void a_batch_is_answered_as_one(void **state)
{
	expect("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"},"
	       "{\"jsonrpc\":\"2.0\",\"method\":\"echo\"},"
	       "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}]",
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},"
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}]\n");
	expect("[{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}]", NULL);
}

static void an_empty_batch_is_refused(void **state)
{
	expect("[]", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
		     "\"a batch has 1 to 64 requests\"}}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_answered_with_its_id),
		cmocka_unit_test(a_notification_is_done_and_not_answered),
		cmocka_unit_test(a_failure_carries_message_and_errno),
		cmocka_unit_test(a_message_that_json_cannot_carry_still_fails_the_call),
		cmocka_unit_test(an_unknown_method_suggests_the_nearest),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(parameters_are_by_name),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(a_batch_is_answered_as_one),
		cmocka_unit_test(an_empty_batch_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
