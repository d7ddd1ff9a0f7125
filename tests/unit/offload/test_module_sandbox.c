/* A module's process can do what a storage engine needs in its directory, and nothing elsewhere. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../modules/attempts.h"
#include "base/log.h"
#include "offload/host/module_sandbox.h"

#define FAILED 250

static struct module_description description;

static int make_directory(void **state)
{
	char parent[] = "/tmp/sluice-module-XXXXXX";

	assert_non_null(mkdtemp(parent));
	assert_int_equal(chmod(parent, 0755), 0);
	snprintf(description.directory, sizeof description.directory, "%s/own", parent);
	if (geteuid() == 0)
		strcpy(description.user, "nobody");
	return module_sandbox_make_directory(&description, NULL);
}

static int remove_directory(void **state)
{
	char command[PATH_MAX + 32];

	*strrchr(description.directory, '/') = '\0';
	snprintf(command, sizeof command, "rm -rf %s", description.directory);
	return system(command);
}

/* As waitpid(2) has it; the exit status is what `attempt` returns: 0, or an errno. */
static int in_sandbox(int (*attempt)(void))
{
	struct error error;
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		log_set_level(LOG_LEVEL_ERROR);
		if (module_sandbox_enter(&description, &error) == 0)
			_exit(attempt());
		fprintf(stderr, "%s\n", error.message);
		_exit(FAILED);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static bool is_denied(int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS;
	return WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != FAILED;
}

static void all_attempts_are_denied(void **state)
{
	for (const struct attempt *attempt = attempts; attempt->name; attempt++)
		if (!is_denied(in_sandbox(attempt->run)))
			fail_msg("%s is not denied", attempt->name);
}

/* One that whoever else writes there has left. */
static int follow_links(void)
{
	char link_path[PATH_MAX + 64];

	snprintf(link_path, sizeof link_path, "%s/link", description.directory);
	return open(link_path, O_RDONLY) >= 0 ? 0 : errno;
}

static void a_symbolic_link_in_its_directory_leads_nowhere(void **state)
{
	static const char *const targets[] = {
		"/etc/passwd", "/", "/proc/self/mem", "../..", "/dev/zero"};
	char link_path[PATH_MAX + 64];
	int status;

	snprintf(link_path, sizeof link_path, "%s/link", description.directory);
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		assert_int_equal(symlink(targets[i], link_path), 0);
		status = in_sandbox(follow_links);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), EACCES);
		assert_int_equal(unlink(link_path), 0);
	}
}

/* ---- what it may ---- */

static int in_directory(const char *name, char path[PATH_MAX + 64])
{
	return snprintf(path, PATH_MAX + 64, "%s/%s", description.directory, name);
}

static int keep_files(void)
{
	char file[PATH_MAX + 64], moved[PATH_MAX + 64], folder[PATH_MAX + 64],
		link_path[PATH_MAX + 64];
	int fd;

	in_directory("log", file);
	in_directory("log.old", moved);
	in_directory("checkpoint", folder);
	in_directory("checkpoint/log", link_path);
	fd = open(file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) < 0 ||
		fdatasync(fd) < 0 || ftruncate(fd, 4096) < 0 || flock(fd, LOCK_EX) < 0)
		return errno;
	if (rename(file, moved) < 0 || mkdir(folder, 0700) < 0 || link(moved, link_path) < 0 ||
		unlink(moved) < 0 || close(fd) < 0)
		return errno;
	return 0;
}

static void *do_nothing(void *argument)
{
	return argument;
}

static int use_threads_and_memory(void)
{
	pthread_t thread;
	int result = pthread_create(&thread, NULL, do_nothing, NULL);
	void *memory =
		mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (result)
		return result;
	pthread_join(thread, NULL);
	return memory == MAP_FAILED ? errno : munmap(memory, 1 << 20);
}

static void files_of_its_own_can_be_kept(void **state)
{
	int status = in_sandbox(keep_files);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void threads_and_memory_are_there(void **state)
{
	int status = in_sandbox(use_threads_and_memory);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_directory_that_its_user_cannot_use_is_named(void **state)
{
	struct module_description other = description;
	struct error error;
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	strcpy(other.directory, "/root");
	child = fork();
	if (child == 0) {
		log_set_level(LOG_LEVEL_ERROR);
		_exit(module_sandbox_enter(&other, &error) < 0 && strstr(error.message, "/root")
				? 0
				: 1);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			all_attempts_are_denied, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(a_symbolic_link_in_its_directory_leads_nowhere,
			make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(
			files_of_its_own_can_be_kept, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(
			threads_and_memory_are_there, make_directory, remove_directory),
		cmocka_unit_test_setup_teardown(a_directory_that_its_user_cannot_use_is_named,
			make_directory, remove_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
