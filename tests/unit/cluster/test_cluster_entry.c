/* Keys and values of the cluster in etcd: what is written is read, and what makes no sense is refused. */
#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "cluster/cluster_entry.h"

#define HOST "{\"address\":\"10.0.1.254\",\"port\":5157,\"link_bytes_per_s\":125000000}"

static struct cluster_entry entry;
static struct error error;

static int parse_bytes(const char *key, size_t key_bytes, const char *value, size_t value_bytes)
{
	const struct etcd_pair pair = {
		.key = key, .key_bytes = key_bytes, .value = value, .value_bytes = value_bytes};

	return cluster_entry_parse("/sluice", &pair, &entry, &error);
}

static int parse(const char *key, const char *value)
{
	return parse_bytes(key, strlen(key), value, strlen(value));
}

static void expect(const char *key, const char *value, int result, const char *why)
{
	assert_int_equal(parse(key, value), result);
	assert_string_equal(error.message, why);
}

static void a_host_is_read_as_it_was_written(void **state)
{
	struct cluster_host host = {.link_bytes_per_s = 125000000};
	char *value;

	host.host.endpoint.sin6_port = htons(5157);
	assert_true(address_parse("10.0.1.254", &host.host.endpoint.sin6_addr));
	value = cluster_host_value(&host);
	assert_string_equal(value, HOST);
	assert_int_equal(parse("/sluice/hosts/h1", value), 0);
	free(value);
	assert_int_equal(entry.kind, CLUSTER_HOST);
	assert_string_equal(entry.host.host.name, "h1");
	assert_true(entry.host.host.id == directory_id("h1"));
	assert_memory_equal(&entry.host.host.endpoint.sin6_addr, &host.host.endpoint.sin6_addr, 16);
	assert_int_equal(ntohs(entry.host.host.endpoint.sin6_port), 5157);
	assert_int_equal(entry.host.link_bytes_per_s, 125000000);
}

static void a_nic_is_read_as_it_was_written(void **state)
{
	struct nic_config config = {.name = "web",
		.address_count = 2,
		.send_min = 5,
		.send_max = UINT64_MAX,
		.receive = {.min = 7, .max = 9, .weight = 3}};
	char *value;

	assert_true(address_parse("10.0.1.1", &config.addresses[0]));
	assert_true(address_parse("fd00::1", &config.addresses[1]));
	value = cluster_nic_value(&config);
	assert_int_equal(parse("/sluice/nics/h1/web", value), 0);
	free(value);
	assert_int_equal(entry.kind, CLUSTER_NIC);
	assert_string_equal(entry.nic.host, "h1");
	assert_memory_equal(&entry.nic.config, &config, sizeof config);
}

static void what_is_not_given_is_the_default(void **state)
{
	assert_int_equal(parse("/sluice/nics/h1/web", "{\"addresses\":[\"10.0.1.1\"]}"), 0);
	assert_int_equal(entry.nic.config.send_min, 0);
	assert_true(entry.nic.config.send_max == UINT64_MAX);
	assert_true(isinf(entry.nic.config.receive.max));
	assert_true(entry.nic.config.receive.weight == 1);
	assert_int_equal(parse("/sluice/hosts/h1", "{\"address\":\"10.0.1.1\"}"), 0);
	assert_int_equal(ntohs(entry.host.host.endpoint.sin6_port), AGENT_PORT_DEFAULT);
}

static void what_a_later_version_adds_is_ignored(void **state)
{
	assert_int_equal(parse("/sluice/hosts/h1", "{\"address\":\"10.0.1.1\",\"rack\":[1]}"), 0);
	assert_int_equal(parse("/sluice/racks/r1", "{}"), -ENOENT);
}

static void keys_that_are_not_ours_are_told_apart(void **state)
{
	expect("/other/hosts/h1", HOST, -ENOENT, "is not below /sluice");
	expect("/sluice", HOST, -ENOENT, "is neither a host nor a vNIC");
	assert_int_equal(parse("/sluice/hosts/", HOST), -EINVAL);
	assert_int_equal(parse("/sluice/hosts/a/b", HOST), -EINVAL);
	assert_int_equal(parse("/sluice/hosts/../x", HOST), -EINVAL);
	assert_int_equal(parse("/sluice/nics/h1", HOST), -EINVAL);
	assert_int_equal(parse("/sluice/nics/h1/", HOST), -EINVAL);
	assert_int_equal(parse_bytes("/sluice/hosts/h\0x", 17, HOST, strlen(HOST)), -EINVAL);
}

static void values_that_make_no_sense_are_refused_with_the_reason(void **state)
{
	expect("/sluice/hosts/h1", "", -EINVAL, "has a value that is not a JSON object");
	expect("/sluice/hosts/h1", "[]", -EINVAL, "has a value that is not a JSON object");
	expect("/sluice/hosts/h1", "{}", -EINVAL, "has an address that is none");
	expect("/sluice/hosts/h1", "{\"address\":\"ff02::1\"}", -EINVAL,
		"has an address that is nobody's");
	expect("/sluice/hosts/h1", "{\"address\":\"10.0.1.1\",\"port\":65536}", -EINVAL,
		"has a 'port' that is not a number from 1 to 65535");
	expect("/sluice/nics/h1/n", "{}", -EINVAL, "must have a list of at most 16 addresses");
	expect("/sluice/nics/h1/n", "{\"addresses\":[7]}", -EINVAL, "has an address that is none");
	expect("/sluice/nics/h1/n", "{\"addresses\":[],\"send\":{\"min\":2,\"max\":1}}", -EINVAL,
		"has a 'min' above its 'max' in 'send'");
	expect("/sluice/nics/h1/n", "{\"addresses\":[],\"send\":7}", -EINVAL,
		"has a 'send' that is no object");
	expect("/sluice/nics/h1/n", "{\"addresses\":[],\"weight\":0}", -EINVAL,
		"has a 'weight' that is not a number from 1 to 4294967295");
}

static void what_is_too_long_is_refused(void **state)
{
	char name[512] = "/sluice/hosts/", value[CLUSTER_VALUE_BYTES_MAX + 2];

	memset(value, ' ', sizeof value);
	assert_int_equal(parse_bytes("/sluice/hosts/h1", 16, value, sizeof value), -EMSGSIZE);
	memset(name + 14, 'a', 64);
	assert_int_equal(parse(name, HOST), -EINVAL);
	memset(name + 14, 'a', 400);
	assert_int_equal(parse(name, HOST), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_read_as_it_was_written),
		cmocka_unit_test(a_nic_is_read_as_it_was_written),
		cmocka_unit_test(what_is_not_given_is_the_default),
		cmocka_unit_test(what_a_later_version_adds_is_ignored),
		cmocka_unit_test(keys_that_are_not_ours_are_told_apart),
		cmocka_unit_test(values_that_make_no_sense_are_refused_with_the_reason),
		cmocka_unit_test(what_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
