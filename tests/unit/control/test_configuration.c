/* What a configuration means, and that saving it loses nothing. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"
#include "control/configuration/references.h"
#include "control/configuration/values.h"

static const char full_text[] =
	"control: {socket: /run/sluice/control.sock, group: disk}\n"
	"sidecores:\n"
	"- {name: io0, cpu: 1, poll: 20us}\n"
	"- {name: io1}\n"
	"pools:\n"
	"- name: fast\n"
	"  sidecore: io1\n"
	"  backend: file\n"
	"  path: /var/lib/sluice/fast\n"
	"  capacity: 20k\n"
	"  latency: 100us\n"
	"  enforce: false\n"
	"  in_flight: 160\n"
	"  page_cache: true\n"
	"  largest_request: 256KiB\n"
	"  cost: {read: {random: {operation: 0.5, kib: 0.25}}, flush: 3}\n"
	"disks:\n"
	"- name: gold\n"
	"  pool: fast\n"
	"  image: golden.img\n"
	"  size: 1GiB\n"
	"  queues: 2\n"
	"  read_only: true\n"
	"  serial: GOLD-1\n"
	"  socket: /tmp/gold.sock\n"
	"  slo: &slo\n"
	"    weight: 300\n"
	"    tiers:\n"
	"    - {burst: 64, rate: 2000, within: 50ms}\n"
	"    - {burst: 128, rate: 2k, within: 500ms}\n"
	"    limit: {iops: 5k, iops_burst: 600, bytes_per_s: 100MB, bytes_burst: 1MiB}\n"
	"- name: plain\n"
	"- name: twin\n"
	"  slo: *slo\n";

static struct configuration *load(const char *text)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;

	configuration_load(text, strlen(text), &configuration, problems);
	problems_print(problems, "sluice.yaml", stderr);
	assert_non_null(configuration);
	free(problems);
	return configuration;
}

static void a_pool_means_what_it_says(void **state)
{
	struct configuration *configuration = load(full_text);
	struct problems *problems = calloc(1, sizeof *problems);
	struct pool_config pool;

	values_of_pool(&configuration->pools[0], "", &pool, problems);
	assert_int_equal(problems->count, 0);
	assert_string_equal(pool.name, "fast");
	assert_ptr_equal(pool.backend, backend_find("file"));
	assert_true(pool.capacity_units_per_s == 20000);
	assert_int_equal(pool.latency_ns, 100000);
	assert_true(pool.largest_request_bytes == 256 << 10);
	assert_true(pool.cost.read[0].units_per_operation == 0.5);
	assert_true(pool.cost.read[0].units_per_byte == 0.25 / 1024);
	assert_true(pool.cost.write[0].units_per_operation ==
		    slo_cost_model_default.write[0].units_per_operation);
	assert_true(pool.cost.flush_units == 3);
	assert_int_equal(pool.in_flight_max, 160);
	assert_false(pool.is_enforcing);
	assert_true(pool.use_page_cache);
	assert_int_equal(
		reference_to_sidecore(configuration, configuration->pools, "", problems), 1);
	free(problems);
	configuration_free(configuration);
}

static void a_disk_means_what_it_says(void **state)
{
	struct configuration *configuration = load(full_text);
	struct problems *problems = calloc(1, sizeof *problems);
	struct disk_config disk;

	values_of_disk(&configuration->disks[0], "", "/run/sluice", &disk, problems);
	assert_int_equal(problems->count, 0);
	assert_string_equal(disk.name, "gold");
	assert_string_equal(disk.image, "golden.img");
	assert_string_equal(disk.serial, "GOLD-1");
	assert_string_equal(disk.socket_path, "/tmp/gold.sock");
	assert_true(disk.size_bytes == 1ull << 30);
	assert_int_equal(disk.queue_count, 2);
	assert_true(disk.is_read_only);
	assert_int_equal(disk.slo.weight, 300);
	assert_int_equal(disk.slo.tier_count, 2);
	assert_true(disk.slo.tiers[1].burst_units == 128);
	assert_true(disk.slo.tiers[1].rate_units_per_s == 2000);
	assert_true(disk.slo.tiers[1].within_ns == 500000000);
	assert_true(disk.slo.limit.operations_per_s == 5000);
	assert_true(disk.slo.limit.bytes_per_s == 100000000);
	free(problems);
	configuration_free(configuration);
}

static void an_slo_can_be_shared_by_an_alias(void **state)
{
	struct configuration *configuration = load(full_text);

	assert_int_equal(configuration->disks[2].slo->tiers_count, 2);
	assert_string_equal(configuration->disks[2].slo->tiers[0].burst, "64");
	configuration_free(configuration);
}

static void what_is_not_given_has_a_default(void **state)
{
	struct configuration *configuration = load("pools: [{name: p, backend: 'null'}]\n"
						   "disks: [{name: d, size: 4KiB}]\n");
	struct problems *problems = calloc(1, sizeof *problems);
	struct disk_config disk;
	struct pool_config pool;

	values_of_pool(&configuration->pools[0], "", &pool, problems);
	values_of_disk(&configuration->disks[0], "", "/run/sluice", &disk, problems);
	assert_true(pool.is_enforcing);
	assert_false(pool.use_page_cache);
	assert_true(pool.capacity_units_per_s == 0);
	assert_true(pool.largest_request_bytes == LARGEST_REQUEST_BYTES_DEFAULT);
	assert_string_equal(disk.socket_path, "/run/sluice/d.sock");
	assert_string_equal(disk.image, "");
	assert_int_equal(disk.queue_count, DISK_QUEUES_DEFAULT);
	assert_int_equal(disk.socket_fd, -1);
	assert_int_equal(disk.slo.tier_count, 0);
	assert_int_equal(disk.slo.weight, SLO_WEIGHT_DEFAULT);
	free(problems);
	configuration_free(configuration);
}

static void what_is_saved_loads_the_same(void **state)
{
	struct configuration *first = load(full_text), *second;
	char *once, *twice, *text;
	size_t length;

	assert_int_equal(configuration_save(first, &once, &length), 0);
	text = strndup(once, length);
	second = load(text);
	assert_int_equal(configuration_save(second, &twice, &length), 0);
	assert_memory_equal(once, twice, length);
	assert_null(second->disks[1].slo);
	assert_null(second->sidecores[1].cpu);
	assert_string_equal(second->disks[0].slo->limit->bytes_per_s, "100MB");
	assert_int_equal(*second->pools[0].enforce, false);
	free(text);
	free(once);
	free(twice);
	configuration_free(first);
	configuration_free(second);
}

static void a_disk_of_the_control_protocol_is_json(void **state)
{
	static const char text[] = "{\"name\": \"gold\",\"queues\":2,\"read_only\":true,"
				   "\"slo\":{\"tiers\":[{\"burst\":\"64\",\"rate\":2000,"
				   "\"within\":\"5ms\"}]}}";
	struct problems *problems = calloc(1, sizeof *problems);
	struct disk_settings *disk;

	configuration_load_disk(text, sizeof text - 1, &disk, problems);
	assert_int_equal(problems->count, 0);
	assert_string_equal(disk->name, "gold");
	assert_int_equal(*disk->queues, 2);
	assert_string_equal(disk->slo->tiers[0].rate, "2000");
	configuration_free_disk(disk);
	free(problems);
}

static void a_missing_file_is_named(void **state)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;
	struct error error;

	assert_int_equal(
		configuration_load_file("/nonexistent.yaml", &configuration, problems, &error),
		-ENOENT);
	assert_string_equal(error.message,
		"/nonexistent.yaml: there is no such file; write it (sluice.yaml(5) has an "
		"example), or name another with --config");
	free(problems);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_means_what_it_says),
		cmocka_unit_test(a_disk_means_what_it_says),
		cmocka_unit_test(an_slo_can_be_shared_by_an_alias),
		cmocka_unit_test(what_is_not_given_has_a_default),
		cmocka_unit_test(what_is_saved_loads_the_same),
		cmocka_unit_test(a_disk_of_the_control_protocol_is_json),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
