/* Processes that do not do what a module's should: they are started again, and it is said why. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "offload/host/module_supervisor.h"

static struct module_description description;
static struct module_status status;

static int set_up(void **state)
{
	log_set_level(LOG_LEVEL_ERROR);
	description = (struct module_description){
		.version = SLUICE_VERSION, .name = "test", .connections = 1};
	snprintf(description.socket, sizeof description.socket, "/tmp/sluice-supervisor-%d.sock",
		(int)getpid());
	return 0;
}

static struct module_supervisor *supervise(const char *program)
{
	struct module_supervisor *supervisor;

	assert_int_equal(
		module_supervisor_create(&description, program, NULL, &supervisor, NULL), 0);
	return supervisor;
}

static void await_restarts(struct module_supervisor *supervisor, unsigned count)
{
	do {
		usleep(1000);
		module_supervisor_status(supervisor, false, &status);
	} while (status.restarts < count || !*status.trouble);
}

/* A program of the shell's, which has the link as descriptor 3. */
static struct module_supervisor *supervise_script(const char *lines, char path[64])
{
	FILE *file;

	snprintf(path, 64, "/tmp/sluice-supervisor-%d", (int)getpid());
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", lines);
	fclose(file);
	assert_int_equal(chmod(path, 0755), 0);
	return supervise(path);
}

static void a_program_that_fails_is_started_again(void **state)
{
	struct module_supervisor *supervisor = supervise("/bin/false");

	await_restarts(supervisor, 2);
	assert_string_equal(status.trouble, "ended with status 1");
	module_supervisor_destroy(supervisor);
}

static void a_program_that_is_not_there_is_named(void **state)
{
	struct module_supervisor *supervisor = supervise("/nowhere/sluice-module");

	await_restarts(supervisor, 1);
	assert_non_null(strstr(status.trouble, "/nowhere/sluice-module"));
	module_supervisor_destroy(supervisor);
}

static void a_signal_is_named(void **state)
{
	char path[64];
	struct module_supervisor *supervisor = supervise_script("kill -TERM $$", path);

	await_restarts(supervisor, 1);
	assert_non_null(strstr(status.trouble, "signal 15"));
	module_supervisor_destroy(supervisor);
	unlink(path);
}

/* Packets that are no reports do no harm, and whoever sends them ends when it is asked to. */
static void nonsense_on_the_link_is_not_believed(void **state)
{
	char path[64];
	struct module_supervisor *supervisor = supervise_script(
		"echo nonsense >&3; head -c 4200 /dev/zero >&3; cat <&3 >/dev/null", path);

	for (unsigned i = 0; i < 200; i++) {
		usleep(1000);
		module_supervisor_status(supervisor, true, &status);
		assert_int_not_equal(status.state, MODULE_STATE_RUNNING);
	}
	module_supervisor_destroy(supervisor);
	unlink(path);
}

static void a_process_that_talks_unasked_is_killed(void **state)
{
	char path[64];
	struct module_supervisor *supervisor =
		supervise_script("while :; do echo nonsense >&3; done", path);

	await_restarts(supervisor, 2);
	assert_string_equal(status.trouble, "said what nobody has asked for, and was killed");
	module_supervisor_destroy(supervisor);
	unlink(path);
}

/* As a client is that a process which was broken into has sent its descriptor to. */
static void a_link_that_others_keep_open_holds_up_nobody(void **state)
{
	char path[64], command[192];
	struct module_supervisor *supervisor =
		supervise_script("sleep 1000 & echo $! >>$0.others; exit 3", path);

	await_restarts(supervisor, 2);
	assert_string_equal(status.trouble, "ended with status 3");
	module_supervisor_destroy(supervisor);
	snprintf(command, sizeof command, "kill $(cat %s.others); rm %s.others", path, path);
	assert_int_equal(system(command), 0);
	unlink(path);
}

static void stopping_does_not_wait_for_the_pause(void **state)
{
	struct module_supervisor *supervisor = supervise("/bin/false");

	await_restarts(supervisor, 3); /* by now it is 800 ms */
	module_supervisor_stop(supervisor, -1);
	module_supervisor_destroy(supervisor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_program_that_fails_is_started_again, set_up),
		cmocka_unit_test_setup(a_program_that_is_not_there_is_named, set_up),
		cmocka_unit_test_setup(a_signal_is_named, set_up),
		cmocka_unit_test_setup(nonsense_on_the_link_is_not_believed, set_up),
		cmocka_unit_test_setup(a_process_that_talks_unasked_is_killed, set_up),
		cmocka_unit_test_setup(a_link_that_others_keep_open_holds_up_nobody, set_up),
		cmocka_unit_test_setup(stopping_does_not_wait_for_the_pause, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
