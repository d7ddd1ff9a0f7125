/* Who is where in the cluster. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "gatekeeper/directory.h"

static struct directory *directory;
static const struct in6_addr first = {.s6_addr = {1}}, second = {.s6_addr = {2}},
			     third = {.s6_addr = {3}};

static int add(const char *host, struct directory_nic nic, unsigned address_count)
{
	nic.address_count = address_count;
	return directory_add_nic(directory, host, &nic);
}

static int fill(void **state)
{
	struct directory_host one = {.name = "one", .id = directory_id("one")};
	struct directory_host two = {.name = "two", .id = directory_id("two")};

	directory = directory_create();
	return directory_add_host(directory, &one) || directory_add_host(directory, &two) ||
	       add("one", (struct directory_nic){.name = "web", .addresses = {first, third}}, 2);
}

static int empty(void **state)
{
	directory_destroy(directory);
	return 0;
}

static void addresses_and_identities_lead_to_vnics_and_hosts(void **state)
{
	assert_string_equal(directory_nic_at(directory, &first)->name, "web");
	assert_string_equal(directory_nic_at(directory, &first)->host->name, "one");
	assert_ptr_equal(directory_nic_at(directory, &first), directory_nic_at(directory, &third));
	assert_null(directory_nic_at(directory, &second));
	assert_string_equal(directory_host_of(directory, directory_id("two"))->name, "two");
	assert_null(directory_host_of(directory, directory_id("three")));
}

static void a_vnic_is_on_a_known_host_and_has_an_address(void **state)
{
	assert_int_equal(add("three", (struct directory_nic){.addresses = {second}}, 1), -ENOENT);
	assert_int_equal(add("two", (struct directory_nic){.name = "none"}, 0), -EINVAL);
	assert_int_equal(
		add("two", (struct directory_nic){.name = "many"}, DIRECTORY_ADDRESSES_MAX + 1),
		-EINVAL);
	assert_int_equal(add("two", (struct directory_nic){.addresses = {second}}, 1), 0);
}

static void an_address_is_one_vnics(void **state)
{
	struct directory_nic greedy = {.name = "greedy", .addresses = {first, second}};

	assert_int_equal(add("two", greedy, 2), -EEXIST);
	assert_string_equal(directory_nic_at(directory, &first)->name, "web");
	assert_string_equal(directory_nic_at(directory, &second)->name, "greedy");
	assert_int_equal(directory_nic_at(directory, &second)->address_count, 1);
	greedy.addresses[1] = third;
	assert_int_equal(add("two", greedy, 2), -EEXIST); /* and it has none */
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
			addresses_and_identities_lead_to_vnics_and_hosts, fill, empty),
		cmocka_unit_test_setup_teardown(
			a_vnic_is_on_a_known_host_and_has_an_address, fill, empty),
		cmocka_unit_test_setup_teardown(an_address_is_one_vnics, fill, empty),
		cmocka_unit_test_setup_teardown(a_name_is_one_hosts, fill, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
