/* What a module's process writes to its standard error, in the log of who started it. */
#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "offload/host/module_voice.h"

static struct module_voice voice;
static int mouth, log_fd, own_stderr;
static char log_text[256 << 10];

/* Standard error is a file until what is to be read has been written. */
static int set_up(void **state)
{
	char path[] = "/tmp/sluice-voice-XXXXXX";

	log_fd = mkstemp(path);
	unlink(path);
	own_stderr = dup(STDERR_FILENO);
	voice = (struct module_voice){.log.name = "module 'm'", .fd = -1};
	mouth = module_voice_open(&voice);
	return mouth >= 0 && log_fd >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
	module_voice_close(&voice);
	close(mouth);
	close(log_fd);
	close(own_stderr);
	return 0;
}

static const char *heard(void (*listen)(struct module_voice *voice))
{
	ssize_t count;

	dup2(log_fd, STDERR_FILENO);
	listen(&voice);
	dup2(own_stderr, STDERR_FILENO);
	count = pread(log_fd, log_text, sizeof log_text - 1, 0);
	log_text[count < 0 ? 0 : count] = '\0';
	return log_text;
}

static void say(const char *text)
{
	assert_int_equal(write(mouth, text, strlen(text)), strlen(text));
}

static void listen_once(struct module_voice *listener)
{
	module_voice_relay(listener, clock_now_ns());
}

static void a_line_has_its_level_and_whose_it_is(void **state)
{
	unsetenv("JOURNAL_STREAM");
	say("hello\nerror: it burns\n<4>as for the journal\n");
	assert_string_equal(heard(listen_once), "module 'm': hello\n"
						"error: module 'm': it burns\n"
						"warning: module 'm': as for the journal\n");
}

static void a_line_may_come_in_pieces_and_end_with_the_process(void **state)
{
	say("one ");
	assert_string_equal(heard(listen_once), "");
	say("line\nand half of");
	assert_string_equal(heard(listen_once), "module 'm': one line\n");
	assert_string_equal(
		heard(module_voice_close), "module 'm': one line\nmodule 'm': and half of\n");
}

static void what_harms_a_terminal_is_not_written(void **state)
{
	say("\033[31mred\r\xff\n");
	assert_string_equal(heard(listen_once), "module 'm': ?[31mred??\n");
}

static void listen_long(struct module_voice *listener)
{
	for (unsigned i = 0; i < 1000; i++) {
		while (write(mouth, "flood\n", 6) == 6)
			;
		module_voice_relay(listener, 0);
	}
}

static void a_flood_fills_no_log(void **state)
{
	const char *at = heard(listen_long);
	unsigned lines = 0;

	while ((at = strchr(at, '\n'))) {
		at++;
		lines++;
	}
	assert_int_equal(lines, 300);
	assert_non_null(strstr(log_text, "more lines about it are left out"));
}

static void a_flood_is_read_slowly(void **state)
{
	const uint64_t now_ns = 5 * NS_PER_S;

	assert_int_equal(module_voice_poll_fd(&voice, now_ns), voice.fd);
	assert_int_equal(module_voice_wake_ns(&voice, now_ns), UINT64_MAX);
	while (write(mouth, "flood\n", 6) == 6)
		;
	heard(listen_once);
	assert_int_equal(module_voice_poll_fd(&voice, clock_now_ns()), -1);
	assert_int_equal(module_voice_wake_ns(&voice, clock_now_ns()), voice.quiet_until_ns);
	assert_int_equal(module_voice_poll_fd(&voice, voice.quiet_until_ns), voice.fd);
}

/* What is set on the pipe is not set on the log. */
static void the_log_itself_is_not_the_modules(void **state)
{
	assert_int_equal(ftruncate(mouth, 0), -1);
	assert_int_equal(fcntl(mouth, F_SETFL, 0), 0);
	assert_false(fcntl(voice.fd, F_GETFL) & O_APPEND);
	assert_true(fcntl(voice.fd, F_GETFL) & O_NONBLOCK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_line_has_its_level_and_whose_it_is),
		TEST(a_line_may_come_in_pieces_and_end_with_the_process),
		TEST(what_harms_a_terminal_is_not_written),
		TEST(a_flood_fills_no_log),
		TEST(a_flood_is_read_slowly),
		TEST(the_log_itself_is_not_the_modules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
