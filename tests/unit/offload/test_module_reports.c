/* What a module's process says over its link, and when it may. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "base/packet.h"
#include "offload/host/module_reports.h"

static int ends[2];
static struct module_reports reports;
static struct module_report report;

static int open_link(void **state)
{
	reports = (struct module_reports){.machine = {-1, -1}};
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int close_link(void **state)
{
	module_reports_drop_machine(&reports);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void say(uint32_t kind, const char *text)
{
	struct module_report said = {.kind = kind};

	snprintf(said.text, sizeof said.text, "%s", text);
	assert_int_equal(send(ends[1], &said, sizeof said, 0), sizeof said);
}

static enum module_said take(void)
{
	return module_reports_take(&reports, ends[0], &report);
}

static void a_process_begins_once(void **state)
{
	say(MODULE_READY, "");
	say(MODULE_READY, "");
	say(MODULE_FAILED, "and yet it fails");
	assert_int_equal(take(), MODULE_SAID_REPORT);
	assert_int_equal(report.kind, MODULE_READY);
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
	assert_int_equal(take(), MODULE_SAID_NOTHING);
}

static void each_ping_may_be_answered_once(void **state)
{
	say(MODULE_ALIVE, "");
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
	assert_true(module_reports_ping(&reports, ends[0], 1));
	assert_true(module_reports_ping(&reports, ends[0], 2));
	for (unsigned i = 0; i < 3; i++)
		say(MODULE_ALIVE, "");
	assert_int_equal(take(), MODULE_SAID_REPORT);
	assert_int_equal(take(), MODULE_SAID_REPORT);
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
}

static void a_link_that_takes_no_more_pings_is_not_waited_for(void **state)
{
	unsigned before = 0;

	for (unsigned i = 0; i < 100000; i++)
		assert_true(module_reports_ping(&reports, ends[0], i));
	before = reports.unanswered;
	assert_in_range(before, 1, 99999);
}

static void what_is_no_report_is_not_taken_for_one(void **state)
{
	const char longer[sizeof report + 1] = {0};

	assert_int_equal(send(ends[1], longer, sizeof report - 1, 0), sizeof report - 1);
	assert_int_equal(send(ends[1], longer, sizeof longer, 0), sizeof longer);
	say(77, "");
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(take(), MODULE_SAID_NONSENSE);
	close(ends[1]);
	assert_int_equal(take(), MODULE_SAID_END);
	assert_false(module_reports_ping(&reports, ends[0], 1));
}

static void a_text_ends_and_can_be_printed(void **state)
{
	struct module_report said = {.kind = MODULE_FAILED};

	memset(said.text, '\033', sizeof said.text);
	assert_int_equal(send(ends[1], &said, sizeof said, 0), sizeof said);
	assert_int_equal(take(), MODULE_SAID_REPORT);
	assert_int_equal(strlen(report.text), sizeof report.text - 1);
	assert_int_equal(strspn(report.text, "?"), sizeof report.text - 1);
}

/* ---- the machine ---- */

static void answer_with(const int *fds, size_t count)
{
	const struct module_report said = {.kind = MODULE_ALIVE};

	assert_true(module_reports_ping(&reports, ends[0], 1));
	assert_int_equal(packet_send(ends[1], &said, sizeof said, 0, fds, count), 0);
	assert_int_equal(take(), MODULE_SAID_REPORT);
}

static void the_machine_is_that_of_the_last_answer(void **state)
{
	const int fds[] = {socket(AF_UNIX, SOCK_STREAM, 0), eventfd(0, 0)};
	const unsigned before = open_descriptors();

	for (unsigned i = 0; i < 10; i++) {
		answer_with(fds, 2);
		assert_true(reports.machine.socket >= 0 && reports.machine.doorbell >= 0);
	}
	assert_int_equal(open_descriptors(), before + 2);
	module_reports_begin(&reports);
	assert_true(reports.machine.socket >= 0);
	answer_with(NULL, 0);
	assert_int_equal(reports.machine.socket, -1);
	assert_int_equal(open_descriptors(), before);
	packet_close_descriptors(fds, 2);
}

/* As many as fit, of any kind, with any packet. */
static void descriptors_that_are_no_machine_are_not_kept(void **state)
{
	int fds[PACKET_DESCRIPTORS_MAX];
	const struct module_report unasked = {.kind = MODULE_ALIVE};
	const unsigned before = open_descriptors();

	for (size_t i = 0; i < PACKET_DESCRIPTORS_MAX; i++)
		fds[i] = STDIN_FILENO;
	answer_with(fds, PACKET_DESCRIPTORS_MAX);
	answer_with(fds, 2);
	answer_with(fds, 1);
	assert_int_equal(reports.machine.socket, -1);
	assert_int_equal(
		packet_send(ends[1], &unasked, sizeof unasked, 0, fds, PACKET_DESCRIPTORS_MAX), 0);
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
	assert_int_equal(packet_send(ends[1], fds, sizeof fds, 0, fds, 2), 0);
	assert_int_equal(take(), MODULE_SAID_NONSENSE);
	assert_int_equal(packet_send(ends[1], fds, 0, 0, fds, 2), 0);
	assert_int_equal(take(), MODULE_SAID_END);
	assert_int_equal(open_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_link, close_link)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_process_begins_once),
		TEST(each_ping_may_be_answered_once),
		TEST(a_link_that_takes_no_more_pings_is_not_waited_for),
		TEST(what_is_no_report_is_not_taken_for_one),
		TEST(a_text_ends_and_can_be_printed),
		TEST(the_machine_is_that_of_the_last_answer),
		TEST(descriptors_that_are_no_machine_are_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
