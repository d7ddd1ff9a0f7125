/* Which host serves which address. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "gatekeeper/directory.h"

static struct directory *directory;
static const struct in6_addr first = {.s6_addr = {1}}, second = {.s6_addr = {2}};

static int fill(void **state)
{
	struct directory_host one = {.name = "one", .id = directory_id("one")};
	struct directory_host two = {.name = "two", .id = directory_id("two")};

	directory = directory_create();
	return directory_add_host(directory, &one) || directory_add_host(directory, &two) ||
	       directory_add_address(directory, "one", &first);
}

static int empty(void **state)
{
	directory_destroy(directory);
	return 0;
}

static void addresses_and_identities_lead_to_hosts(void **state)
{
	assert_string_equal(directory_of_address(directory, &first)->name, "one");
	assert_null(directory_of_address(directory, &second));
	assert_string_equal(directory_of_id(directory, directory_id("two"))->name, "two");
	assert_null(directory_of_id(directory, directory_id("three")));
}

static void an_address_is_one_hosts(void **state)
{
	assert_int_equal(directory_add_address(directory, "two", &first), -EEXIST);
	assert_int_equal(directory_add_address(directory, "two", &second), 0);
	assert_int_equal(directory_add_address(directory, "three", &second), -ENOENT);
}

static void a_name_is_one_hosts(void **state)
{
	struct directory_host again = {.name = "one", .id = directory_id("one")};

	assert_int_equal(directory_add_host(directory, &again), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			addresses_and_identities_lead_to_hosts, fill, empty),
		cmocka_unit_test_setup_teardown(an_address_is_one_hosts, fill, empty),
		cmocka_unit_test_setup_teardown(a_name_is_one_hosts, fill, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
