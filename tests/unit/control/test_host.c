/* A host of disks in memory: adding, changing, removing and reloading them while it runs. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/host/host.h"

struct fixture {
	char directory[32];
	char file[64];
	struct host host;
	struct error error;
};

/* %s: the directory. Each test begins with one pool and one disk. */
#define POOL "pools: [{name: fast, backend: ram, capacity: 10000}]\n"
#define GOLD "- name: gold\n  size: 1MiB\n  socket: %1$s/gold.sock\n"
#define FIRST POOL "disks:\n" GOLD "  slo: {tiers: [{burst: 10, rate: 6000, within: 100ms}]}\n"

static void write_file(struct fixture *fixture, const char *format)
{
	FILE *to = fopen(fixture->file, "w");

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(to, format, fixture->directory);
#pragma GCC diagnostic pop
	fclose(to);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;

	strcpy(fixture->directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->file, sizeof fixture->file, "%s/yaml", fixture->directory);
	write_file(fixture, FIRST);
	assert_int_equal(
		configuration_load_file(fixture->file, &configuration, problems, &fixture->error),
		0);
	fixture->host.file = fixture->file;
	assert_int_equal(host_start(&fixture->host, configuration, -1, &fixture->error), 0);
	assert_int_equal(fixture->host.configuration->disks_count, 1);
	free(problems);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	host_stop(&fixture->host, true);
	unlink(fixture->file);
	assert_int_equal(rmdir(fixture->directory), 0);
	free(fixture);
	return 0;
}

static int add(struct fixture *fixture, const char *json)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct disk_settings *settings;
	char text[512];
	int result;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, json, fixture->directory);
#pragma GCC diagnostic pop
	configuration_load_disk(text, strlen(text), &settings, problems);
	free(problems);
	assert_non_null(settings);
	result = host_add_disk(&fixture->host, settings, false, &fixture->error);
	if (result < 0)
		configuration_free_disk(settings);
	return result;
}

#define EXTRA "{\"name\": \"extra\", \"size\": \"1MiB\", \"socket\": \"%s/extra.sock\"}"

static void a_disk_can_be_added_and_removed(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, EXTRA), 0);
	assert_int_equal(host_find_disk(&fixture->host, "extra", NULL), 1);
	assert_int_equal(host_remove_disk(&fixture->host, 0, &fixture->error), 0);
	assert_int_equal(host_find_disk(&fixture->host, "extra", NULL), 0);
}

static void a_name_is_given_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, EXTRA), 0);
	assert_int_equal(add(fixture, EXTRA), -EEXIST);
}

static void a_promise_beyond_capacity_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, "{\"name\": \"greedy\", \"size\": \"1MiB\","
				      "\"socket\": \"%s/x.sock\", \"slo\": {\"tiers\": [{"
				      "\"burst\": 1, \"rate\": 5000, \"within\": \"100ms\"}]}}"),
		-ENOSPC);
	assert_int_equal(fixture->host.configuration->disks_count, 1);
}

static void an_unknown_disk_is_not_found(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(host_find_disk(&fixture->host, "golf", &fixture->error), -ENOENT);
	assert_string_equal(
		fixture->error.message, "there is no disk 'golf'; did you mean 'gold'?");
}

static void reload_without_changes_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	const struct disk *before = fixture->host.disks[0].disk;

	assert_int_equal(host_reload(&fixture->host, &fixture->error), 0);
	assert_int_equal(fixture->host.configuration->disks_count, 1);
	assert_ptr_equal(fixture->host.disks[0].disk, before);
}

static void reload_adds_and_removes_disks(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, POOL "disks: [{name: new, size: 1MiB, socket: %s/new.sock}]\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), 0);
	assert_int_equal(host_find_disk(&fixture->host, "gold", NULL), -ENOENT);
	assert_int_equal(host_find_disk(&fixture->host, "new", NULL), 0);
}

static void reload_changes_an_slo_under_a_running_disk(void **state)
{
	struct fixture *fixture = *state;
	const struct disk *before = fixture->host.disks[0].disk;

	write_file(fixture, POOL "disks:\n" GOLD "  slo: {weight: 7}\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), 0);
	assert_ptr_equal(fixture->host.disks[0].disk, before);
	assert_int_equal(disk_config(before)->slo.weight, 7);
	assert_int_equal(disk_config(before)->slo.tier_count, 0);
}

static void reload_lets_one_disk_take_what_another_gives_back(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, EXTRA), 0);
	write_file(fixture, POOL "disks:\n- name: extra\n  size: 1MiB\n  socket: %1$s/extra.sock\n"
				 "  slo: {tiers: [{burst: 10, rate: 6000, within: 100ms}]}\n" GOLD);
	assert_int_equal(host_reload(&fixture->host, &fixture->error), 0);
	assert_int_equal(disk_config(fixture->host.disks[0].disk)->slo.tier_count, 0);
	assert_int_equal(disk_config(fixture->host.disks[1].disk)->slo.tier_count, 1);
}

static void reload_leaves_disks_of_the_control_socket_alone(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, EXTRA), 0);
	assert_int_equal(host_reload(&fixture->host, &fixture->error), 0);
	assert_int_equal(host_find_disk(&fixture->host, "extra", NULL), 1);
}

static void reload_refuses_by_name_what_needs_a_restart(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, POOL "disks:\n" GOLD "  queues: 2\n"
				 "- {name: new, size: 1MiB, socket: %1$s/new.sock}\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), -EBUSY);
	assert_string_equal(fixture->error.message,
		"reload: nothing was changed: disk 'gold': queues cannot change; restart sluiced "
		"for that");
	assert_int_equal(fixture->host.configuration->disks_count, 1);
}

static void reload_refuses_another_network(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "pools: [{name: fast, backend: ram, capacity: 20000}]\n"
			    "network: {host: h, uplink: u, link: 1Gbit, key: /k, hosts: [{name: h, "
			    "address: 10.0.0.1}]}\n"
			    "disks:\n"
			    "- {name: gold, size: 1MiB, socket: %1$s/gold.sock}\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), -EBUSY);
	assert_non_null(strstr(fixture->error.message, "network"));
}

static void reload_refuses_another_place_for_metrics(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, FIRST "control: {metrics: 127.0.0.1:9157}\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), -EBUSY);
	assert_non_null(strstr(fixture->error.message, "part 'control'"));
}

static void reload_of_a_broken_file_changes_nothing(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture, "pools: [%s\n");
	assert_int_equal(host_reload(&fixture->host, &fixture->error), -EINVAL);
	assert_int_equal(fixture->host.configuration->disks_count, 1);
}

/* What failed names itself; whoever passes that on does not name it again. */
static void a_sidecore_that_cannot_start_is_named_once(void **state)
{
	struct sidecore_settings sidecore = {
		.name = strdup("io0"), .cpu = malloc(sizeof(uint16_t))};
	struct configuration *configuration = calloc(1, sizeof *configuration);
	struct host host = {0};
	struct error error;

	*sidecore.cpu = UINT16_MAX;
	configuration->sidecores = malloc(sizeof sidecore);
	configuration->sidecores[0] = sidecore;
	configuration->sidecores_count = 1;
	assert_int_equal(host_start(&host, configuration, -1, &error), -EINVAL);
	host_stop(&host, true);
	assert_int_equal(strncmp(error.message, "sidecore 'io0': cannot run", 26), 0);
}

static void a_disk_does_not_shrink(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(host_resize(&fixture->host, 0, "512KiB", &fixture->error), -EINVAL);
	assert_non_null(strstr(fixture->error.message, "it can only grow"));
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOST(a_disk_can_be_added_and_removed),
		WITH_HOST(a_name_is_given_once),
		WITH_HOST(a_promise_beyond_capacity_is_refused),
		WITH_HOST(an_unknown_disk_is_not_found),
		WITH_HOST(reload_without_changes_changes_nothing),
		WITH_HOST(reload_adds_and_removes_disks),
		WITH_HOST(reload_changes_an_slo_under_a_running_disk),
		WITH_HOST(reload_lets_one_disk_take_what_another_gives_back),
		WITH_HOST(reload_leaves_disks_of_the_control_socket_alone),
		WITH_HOST(reload_refuses_by_name_what_needs_a_restart),
		WITH_HOST(reload_refuses_another_network),
		WITH_HOST(reload_refuses_another_place_for_metrics),
		WITH_HOST(reload_of_a_broken_file_changes_nothing),
		WITH_HOST(a_disk_does_not_shrink),
		cmocka_unit_test(a_sidecore_that_cannot_start_is_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
