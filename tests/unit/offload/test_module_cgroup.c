/* Limits, in a tree of plain files that looks like cgroup v2. */
#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "offload/host/module_cgroup.h"

static char mount_path[64];
static const struct module_description description = {.name = "db",
	.connections = 64,
	.memory_bytes_max = 1ull << 30,
	.cpu_thousandths_max = 1500};

static void add_directory(const char *name)
{
	char path[256];

	snprintf(path, sizeof path, "%s%s", mount_path, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void add_file(const char *name)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s%s", mount_path, name);
	fd = open(path, O_CREAT | O_WRONLY, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void assert_file(const char *name, const char *expected)
{
	char path[256], text[128] = "";
	FILE *file;

	snprintf(path, sizeof path, "%s%s", mount_path, name);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	assert_string_equal(text, expected);
}

static int set_up(void **state)
{
	strcpy(mount_path, "/tmp/sluice-cgroup-XXXXXX");
	assert_non_null(mkdtemp(mount_path));
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -r %s", mount_path);
	return system(command);
}

/* What the kernel makes with the directory. */
static void add_module(const char *base)
{
	char name[128];

	snprintf(name, sizeof name, "%s/module-db", base);
	add_directory(name);
	snprintf(name, sizeof name, "%s/module-db/memory.max", base);
	add_file(name);
	snprintf(name, sizeof name, "%s/module-db/cpu.max", base);
	add_file(name);
	snprintf(name, sizeof name, "%s/module-db/pids.max", base);
	add_file(name);
	snprintf(name, sizeof name, "%s/module-db/cgroup.procs", base);
	add_file(name);
}

static void root_makes_a_tree_of_its_own(void **state)
{
	char path[PATH_MAX];
	int fd;

	if (geteuid() != 0)
		skip();
	add_directory("/user");
	add_file("/cgroup.subtree_control");
	add_directory("/sluice");
	add_file("/sluice/cgroup.subtree_control");
	add_module("/sluice");
	assert_int_equal(module_cgroup_make(mount_path, "/user", &description, path, NULL), 0);
	assert_file("/cgroup.subtree_control", "+cpu +memory");
	assert_file("/sluice/cgroup.subtree_control", "+cpu +memory");
	assert_file("/sluice/module-db/memory.max", "1073741824");
	assert_file("/sluice/module-db/cpu.max", "150000 100000");
	assert_file("/sluice/module-db/pids.max", "384");
	fd = module_cgroup_open(path);
	assert_true(fd >= 0);
	close(fd);
}

static void what_systemd_has_delegated_is_divided(void **state)
{
	char path[PATH_MAX], unit[128];

	add_directory("/sluiced.service");
	snprintf(unit, sizeof unit, "%s/sluiced.service", mount_path);
	if (setxattr(unit, "user.delegate", "1", 1, 0) < 0)
		skip(); /* a file system without these */
	add_file("/sluiced.service/cgroup.subtree_control");
	add_directory("/sluiced.service/daemon");
	add_file("/sluiced.service/daemon/cgroup.procs");
	add_module("/sluiced.service");
	assert_int_equal(
		module_cgroup_make(mount_path, "/sluiced.service", &description, path, NULL), 0);
	assert_file("/sluiced.service/daemon/cgroup.procs", "0");
	assert_file("/sluiced.service/cgroup.subtree_control", "+cpu +memory");
	assert_file("/sluiced.service/module-db/memory.max", "1073741824");
	/* By now it is in the leaf. */
	assert_int_equal(
		module_cgroup_make(mount_path, "/sluiced.service/daemon", &description, path, NULL),
		0);
	assert_non_null(strstr(path, "/sluiced.service/module-db"));
}

/* As in a unit with Delegate=cpu memory. */
static void without_a_bound_of_threads_the_other_limits_hold(void **state)
{
	char path[PATH_MAX], file[128];

	if (geteuid() != 0)
		skip();
	add_directory("/user");
	add_file("/cgroup.subtree_control");
	add_directory("/sluice");
	add_file("/sluice/cgroup.subtree_control");
	add_module("/sluice");
	snprintf(file, sizeof file, "%s/sluice/module-db/pids.max", mount_path);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(module_cgroup_make(mount_path, "/user", &description, path, NULL), 0);
	assert_file("/sluice/module-db/memory.max", "1073741824");
	assert_file("/sluice/module-db/cpu.max", "150000 100000");
}

static void a_kernel_that_refuses_is_told_of(void **state)
{
	char path[PATH_MAX];
	struct error error;

	add_directory("/user");
	assert_true(module_cgroup_make(mount_path, "/user", &description, path, &error) < 0);
	assert_true(strstr(error.message, "cgroup.subtree_control") ||
		    strstr(error.message, "Delegate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(root_makes_a_tree_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_systemd_has_delegated_is_divided, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_a_bound_of_threads_the_other_limits_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_kernel_that_refuses_is_told_of, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
