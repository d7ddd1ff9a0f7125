/* Addresses: as people write them, and whose they can be. */
#include "../cmocka_all.h"

#include "base/address.h"

static void what_is_written_is_read_again(void **state)
{
	static const char *const texts[] = {"10.0.0.7", "fd00::7", "::1", "52:54:00:12:34:56"};
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_true(address_parse(texts[i], &address));
		assert_string_equal(address_format(&address, text), texts[i]);
	}
}

static void an_ipv4_address_and_its_mapped_form_are_the_same(void **state)
{
	struct in6_addr plain, mapped;

	assert_true(address_parse("10.0.0.7", &plain));
	assert_true(address_parse("::ffff:10.0.0.7", &mapped));
	assert_true(address_is_among(&plain, &mapped, 1));
	assert_false(address_is_among(&plain, &mapped, 0));
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {"", "10.0.0", "10.0.0.300", "10.0.0.7/24", "7", "host",
		"52:54:00:12:34", "52:54:00:12:34:fff"};
	struct in6_addr address;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_false(address_parse(texts[i], &address));
}

static void unspecified_and_multicast_addresses_are_nobodys(void **state)
{
	static const char *const nobodys[] = {"0.0.0.0", "255.255.255.255", "224.0.0.1",
		"::", "ff02::1", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"};
	static const char *const somebodys[] = {
		"10.0.0.7", "169.254.0.1", "fe80::1", "fd00::7", "52:54:00:12:34:56"};
	struct in6_addr address;

	for (size_t i = 0; i < sizeof nobodys / sizeof *nobodys; i++) {
		assert_true(address_parse(nobodys[i], &address));
		assert_false(address_is_somebodys(&address));
	}
	for (size_t i = 0; i < sizeof somebodys / sizeof *somebodys; i++) {
		assert_true(address_parse(somebodys[i], &address));
		assert_true(address_is_somebodys(&address));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(an_ipv4_address_and_its_mapped_form_are_the_same),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(unspecified_and_multicast_addresses_are_nobodys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
