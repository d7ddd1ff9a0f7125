/* Whose a file is that was made for others. */
#include "../cmocka_all.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path_group.h"

#define NO_GROUP "no-such-group"

static char path[32];

static int make_file(void **state)
{
	snprintf(path, sizeof path, "/tmp/path-group-XXXXXX");
	return close(mkstemp(path));
}

static int remove_file(void **state)
{
	return unlink(path);
}

static struct stat status_of_file(void)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status;
}

static void a_group_that_was_asked_for_has_it(void **state)
{
	const struct group *own = getgrgid(getegid());
	struct error error;

	if (!own)
		skip();
	assert_int_equal(path_give_to_group(path, own->gr_name, NO_GROUP, &error), 0);
	assert_int_equal(status_of_file().st_gid, getegid());
	assert_int_equal(status_of_file().st_mode & 0777, 0660);
}

static void a_group_that_was_asked_for_must_exist(void **state)
{
	struct error error;

	assert_int_equal(path_give_to_group(path, NO_GROUP, "root", &error), -ENOENT);
	assert_string_equal(error.message,
		"there is no group '" NO_GROUP "'; make it with 'groupadd --system " NO_GROUP "'");
	assert_int_equal(status_of_file().st_mode & 0777, 0600);
}

static void the_default_group_need_not_exist(void **state)
{
	const gid_t before = status_of_file().st_gid;
	struct error error;

	assert_int_equal(path_give_to_group(path, "", NO_GROUP, &error), 0);
	assert_int_equal(path_give_to_group(path, NULL, NO_GROUP, &error), 0);
	assert_int_equal(status_of_file().st_gid, before);
	assert_int_equal(status_of_file().st_mode & 0777, 0660);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_group_that_was_asked_for_has_it, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			a_group_that_was_asked_for_must_exist, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			the_default_group_need_not_exist, make_file, remove_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
