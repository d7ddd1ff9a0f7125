/* What is known of the cluster: what comes and goes, who has an address, and what a file keeps of it. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "base/log.h"
#include "cluster/cluster_cache.h"
#include "cluster/cluster_state.h"

#define HOST "{\"address\":\"10.0.1.254\"}"
#define NIC(address) "{\"addresses\":[\"" address "\"]}"

static struct cluster_state *cluster;

static int set_up(void **state)
{
	log_set_level(LOG_LEVEL_ERROR);
	cluster = cluster_state_create("/sluice");
	return cluster ? 0 : -1;
}

static int tear_down(void **state)
{
	cluster_state_destroy(cluster);
	return 0;
}

static void put_again(const char *key, const char *value, int64_t created, int64_t revision)
{
	const struct etcd_pair pair = {
		key, strlen(key), value, strlen(value), revision, created, false};

	cluster_state_take(cluster, &pair);
}

static void put(const char *key, const char *value, int64_t revision)
{
	put_again(key, value, revision, revision);
}

static void remove_key(const char *key)
{
	const struct etcd_pair pair = {key, strlen(key), "", 0, 99, 0, true};

	cluster_state_take(cluster, &pair);
}

/* "HOST/NIC" of who has an address; empty if nobody has. */
static const char *holder(const char *text)
{
	struct directory *directory = cluster_state_directory(cluster);
	const struct directory_nic *nic;
	struct in6_addr address;
	static char name[2 * DIRECTORY_NAME_BYTES];

	assert_true(address_parse(text, &address));
	nic = directory_nic_at(directory, &address);
	*name = '\0';
	if (nic)
		snprintf(name, sizeof name, "%s/%s", nic->host->name, nic->name);
	directory_destroy(directory);
	return name;
}

static void what_is_put_is_there_until_it_is_deleted(void **state)
{
	put("/sluice/nics/h1/web", NIC("10.0.1.1"), 3); /* before its host */
	assert_string_equal(holder("10.0.1.1"), "");
	put("/sluice/hosts/h1", HOST, 4);
	assert_string_equal(holder("10.0.1.1"), "h1/web");
	put("/sluice/nics/h1/web", NIC("10.0.1.2"), 5);
	assert_string_equal(holder("10.0.1.1"), "");
	assert_string_equal(holder("10.0.1.2"), "h1/web");
	remove_key("/sluice/nics/h1/web");
	assert_string_equal(holder("10.0.1.2"), "");
	assert_int_equal(cluster_state_count(cluster, CLUSTER_HOST), 1);
	assert_int_equal(cluster_state_count(cluster, CLUSTER_NIC), 0);
}

static void an_address_is_the_latest_claimants(void **state)
{
	put("/sluice/hosts/h1", HOST, 1);
	put("/sluice/hosts/h2", HOST, 2);
	put("/sluice/nics/h2/vm", NIC("10.0.1.1"), 8);
	put("/sluice/nics/h1/vm", NIC("10.0.1.1"), 5);
	assert_string_equal(holder("10.0.1.1"), "h2/vm");
	remove_key("/sluice/nics/h1/vm");
	put("/sluice/nics/h1/vm", NIC("10.0.1.1"), 9);
	assert_string_equal(holder("10.0.1.1"), "h1/vm");
	remove_key("/sluice/nics/h1/vm");
	assert_string_equal(holder("10.0.1.1"), "h2/vm");
}

static void an_old_host_that_says_so_again_gets_no_address_back(void **state)
{
	put("/sluice/hosts/h1", HOST, 1);
	put("/sluice/hosts/h2", HOST, 2);
	put("/sluice/nics/h1/vm", NIC("10.0.1.1"), 5);
	put("/sluice/nics/h2/vm", NIC("10.0.1.1"), 8);
	put_again("/sluice/nics/h1/vm", NIC("10.0.1.1"), 5, 9);
	assert_string_equal(holder("10.0.1.1"), "h2/vm");
}

static void what_makes_no_sense_is_left_out(void **state)
{
	uint64_t version = cluster_state_version(cluster);

	put("/sluice/hosts/h1", "{\"address\":7}", 1);
	put("/sluice/hosts/\x01\xff", HOST, 1);
	put("/elsewhere", HOST, 1);
	remove_key("/sluice/hosts/none");
	assert_int_equal(cluster_state_version(cluster), version);
	put("/sluice/hosts/h1", HOST, 2);
	put("/sluice/hosts/h1", "junk", 3);
	assert_int_equal(cluster_state_count(cluster, CLUSTER_HOST), 0);
}

static void what_a_reading_does_not_find_is_gone(void **state)
{
	uint64_t version;

	put("/sluice/hosts/h1", HOST, 1);
	put("/sluice/hosts/h2", HOST, 2);
	cluster_state_begin_reading(cluster);
	put("/sluice/hosts/h2", HOST, 2);
	put("/sluice/hosts/h3", HOST, 3);
	cluster_state_end_reading(cluster);
	assert_int_equal(cluster_state_count(cluster, CLUSTER_HOST), 2);
	version = cluster_state_version(cluster);
	cluster_state_begin_reading(cluster);
	put("/sluice/hosts/h2", HOST, 2);
	put("/sluice/hosts/h3", HOST, 3);
	cluster_state_end_reading(cluster);
	assert_int_equal(cluster_state_version(cluster), version); /* nothing new */
}

static void a_file_keeps_everything(void **state)
{
	char file[] = "/tmp/sluice-cluster-XXXXXX";
	struct error error;

	close(mkstemp(file));
	put("/sluice/hosts/h1", HOST, 1);
	put("/sluice/nics/h1/web", NIC("10.0.1.1"), 3);
	assert_int_equal(cluster_cache_save(cluster, file, &error), 0);
	cluster_state_destroy(cluster);
	cluster = cluster_state_create("/sluice");
	assert_int_equal(cluster_cache_load(cluster, file, &error), 0);
	assert_string_equal(holder("10.0.1.1"), "h1/web");
	unlink(file);
	assert_int_equal(cluster_cache_load(cluster, file, &error), -ENOENT);
}

static int parse(const char *text)
{
	return cluster_cache_parse(cluster, text, strlen(text));
}

static void a_file_that_makes_no_sense_is_used_up_to_there(void **state)
{
	assert_int_equal(
		parse("[\"/sluice/hosts/h1\",\"{\\\"address\\\":\\\"10.0.1.1\\\"}\",1,1]\n["),
		-EINVAL);
	assert_int_equal(cluster_state_count(cluster, CLUSTER_HOST), 1);
	assert_int_equal(parse("{}\n"), -EINVAL);
	assert_int_equal(parse("[\"/sluice/hosts/h1\",\"x\"]\n"), -EINVAL);
	assert_int_equal(parse(""), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_put_is_there_until_it_is_deleted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_address_is_the_latest_claimants, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_old_host_that_says_so_again_gets_no_address_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_a_reading_does_not_find_is_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_keeps_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_that_makes_no_sense_is_used_up_to_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
