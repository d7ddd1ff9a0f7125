/* What a module's settings mean, and what is said about wrong ones. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"
#include "control/configuration/module_values.h"
#include "sidecore/sidecore.h"

/* All that is wrong with a configuration, as one text, to be freed; with *configuration if that is nothing. */
static char *load(const char *text, struct configuration **configuration)
{
	struct problems *problems = calloc(1, sizeof *problems);
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	configuration_load(text, strlen(text), configuration, problems);
	problems_print(problems, "f", to);
	fclose(to);
	free(problems);
	return printed;
}

static void assert_refused(const char *text, const char *expected)
{
	struct configuration *configuration;
	char *said = load(text, &configuration);

	if (!strstr(said, expected))
		fail_msg("'%s' is not in: %s", expected, said);
	assert_null(configuration);
	free(said);
}

/* One module with these keys besides those that it must have. */
static void assert_value_refused(const char *keys, const char *expected)
{
	char text[512];

	snprintf(text, sizeof text, "modules:\n  - {name: db, module: store, directory: /d, %s}\n",
		keys);
	assert_refused(text, expected);
}

static void describe(
	const struct configuration *configuration, struct module_description *description)
{
	struct problems *problems = calloc(1, sizeof *problems);

	values_of_module(&configuration->modules[0], "", "/run/sluice", description, problems);
	assert_int_equal(problems->count, 0);
	free(problems);
}

static void all_that_is_said_is_understood(void **state)
{
	static const char text[] = "modules:\n"
				   "  - name: db\n"
				   "    module: store\n"
				   "    directory: /var/lib/sluice/db\n"
				   "    socket: /run/db.sock\n"
				   "    group: daemon\n"
				   "    region: /dev/shm/db\n"
				   "    doorbell: /run/db.bell\n"
				   "    cpu: 3\n"
				   "    poll: 20us\n"
				   "    connections: 128\n"
				   "    user: db\n"
				   "    memory_limit: 2GiB\n"
				   "    cpu_limit: \"1.5\"\n"
				   "    options: [cache=512MiB, sync=yes]\n";
	struct module_description description;
	struct configuration *configuration;
	char *said = load(text, &configuration);

	assert_string_equal(said, "");
	free(said);
	describe(configuration, &description);
	assert_string_equal(description.name, "db");
	assert_non_null(strstr(description.library, "/store.so"));
	assert_string_equal(description.directory, "/var/lib/sluice/db");
	assert_string_equal(description.socket, "/run/db.sock");
	assert_string_equal(description.group, "daemon");
	assert_string_equal(description.region, "/dev/shm/db");
	assert_string_equal(description.doorbell, "/run/db.bell");
	assert_int_equal(description.cpu, 3);
	assert_int_equal(description.poll_ns_max, 20000);
	assert_int_equal(description.connections, 128);
	assert_string_equal(description.user, "db");
	assert_int_equal(description.memory_bytes_max, 2ull << 30);
	assert_int_equal(description.cpu_thousandths_max, 1500);
	assert_int_equal(description.option_count, 2);
	assert_string_equal(description.options[1], "sync=yes");
	configuration_free(configuration);
}

static void what_is_left_out_has_defaults(void **state)
{
	struct module_description description;
	struct configuration *configuration;
	char *said =
		load("modules: [{name: db, module: /opt/x.so, directory: /d}]", &configuration);

	assert_string_equal(said, "");
	free(said);
	describe(configuration, &description);
	assert_string_equal(description.library, "/opt/x.so");
	assert_string_equal(description.socket, "/run/sluice/db.module.sock");
	assert_string_equal(description.group, "");
	assert_string_equal(description.region, "");
	assert_string_equal(description.doorbell, "");
	assert_int_equal(description.cpu, SIDECORE_NOT_PINNED);
	assert_int_equal(description.poll_ns_max, SIDECORE_POLL_NS_DEFAULT);
	assert_int_equal(description.connections, 64);
	assert_int_equal(description.memory_bytes_max, 0);
	assert_int_equal(description.cpu_thousandths_max, 0);
	configuration_free(configuration);
}

static void module_with_a_cpu_polls_for_longer(void **state)
{
	struct configuration *configuration;
	struct module_description description;
	char *said = load(
		"modules: [{name: db, module: /opt/x.so, directory: /d, cpu: 1}]", &configuration);

	assert_string_equal(said, "");
	free(said);
	describe(configuration, &description);
	assert_int_equal(description.cpu, 1);
	assert_int_equal(description.poll_ns_max, MODULE_POLL_NS_ON_OWN_CPU);
	configuration_free(configuration);
}

static void a_region_has_a_doorbell_whether_one_is_named_or_not(void **state)
{
	struct module_description description;
	struct configuration *configuration;
	char *said =
		load("modules: [{name: db, module: /opt/x.so, directory: /d, region: /dev/shm/db}]",
			&configuration);

	assert_string_equal(said, "");
	free(said);
	describe(configuration, &description);
	assert_string_equal(description.doorbell, "/run/sluice/db.ivshmem.sock");
	configuration_free(configuration);
	assert_value_refused("doorbell: /run/bell", "modules[0].doorbell: is of no use without");
}

static void wrong_values_are_named(void **state)
{
	assert_value_refused("memory_limit: 1MiB", "modules[0].memory_limit: '1MiB' is too little");
	assert_value_refused("memory_limit: lots", "modules[0].memory_limit");
	assert_value_refused("cpu_limit: all", "modules[0].cpu_limit: 'all' is not a number");
	assert_value_refused("cpu_limit: 0", "modules[0].cpu_limit: '0' is out of range");
	assert_value_refused("connections: 0", "modules[0].connections: 0 is out of range");
	assert_value_refused("connections: 1025", "it must be from 1 to 1024");
	assert_value_refused("poll: 5", "modules[0].poll");
	assert_value_refused("socket: here.sock", "modules[0].socket: 'here.sock' is relative");
	assert_value_refused("group: no-such-group",
		"modules[0].group: there is no group 'no-such-group'; make it with");
	assert_value_refused("region: shm", "modules[0].region: 'shm' is relative");
	assert_value_refused("options: [fast]", "modules[0].options[0]: 'fast' is not an option");
	assert_value_refused("options: [a=1, a=2]", "modules[0].options[1]: 'a' is given twice");
	assert_value_refused("memory: 1GiB", "memory");
}

static void a_module_is_a_name_or_a_whole_path(void **state)
{
	assert_refused("modules: [{name: a, module: x/y.so, directory: /d}]",
		"modules[0].module: 'x/y.so' is relative");
	assert_refused("modules: [{name: a, module: Store.so, directory: /d}]",
		"modules[0].module: 'Store.so' is neither the name of a module");
	assert_refused("modules: [{name: a, module: store}]", "directory");
}

static void what_two_modules_cannot_share_is_named(void **state)
{
	assert_refused("modules:\n"
		       "  - {name: a, module: echo, directory: /d}\n"
		       "  - {name: b, module: echo, directory: /d}\n",
		"modules[1].directory: '/d' is taken by modules[0]");
	assert_refused("modules:\n"
		       "  - {name: a, module: echo, directory: /d}\n"
		       "  - {name: a, module: echo, directory: /e}\n",
		"modules[1].name: 'a' is taken by modules[0]");
	assert_refused("modules:\n"
		       "  - {name: a, module: echo, directory: /d, region: /dev/shm/r}\n"
		       "  - {name: b, module: echo, directory: /e, region: /dev/shm/r}\n",
		"modules[1].region: '/dev/shm/r' is taken by modules[0]");
	assert_refused(
		"modules:\n"
		"  - {name: a, module: echo, directory: /d, region: /dev/shm/r, doorbell: /b}\n"
		"  - {name: b, module: echo, directory: /e, region: /dev/shm/s, doorbell: /b}\n",
		"modules[1].doorbell: '/b' is taken by modules[0]");
}

static void what_its_io_is_promised_is_checked_as_a_disks(void **state)
{
	static const char on_pools[] =
		"pools:\n- {name: one, backend: ram}\n- {name: two, backend: ram, capacity: 1k}\n"
		"modules:\n- {name: db, module: store, directory: /d, %s}\n";
	static const struct {
		const char *keys, *expected;
	} cases[] = {
		{"pool: three", "modules[0].pool: there is no pool 'three'; there is: one, two"},
		{"slo: {weight: 3}", "modules[0]"},
		{"pool: two, slo: {weight: 0}",
			"modules[0].slo.weight: 0 is out of range; it must be from 1 to 10000"},
		{"pool: two, slo: {tiers: [{burst: 0, rate: 1, within: 1s}]}",
			"modules[0].slo.tiers[0]"},
		{"pool: one, slo: {tiers: [{burst: 1, rate: 1, within: 1s}]}",
			"pools[0]: 'capacity' is missing; disks and modules with tiers need it"},
		{"pool: two, slo: {tiers: [{burst: 100, rate: 2000, within: 1s}]}",
			"pools[1].capacity: "},
	};
	char text[512];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		snprintf(text, sizeof text, on_pools, cases[i].keys);
		assert_refused(text, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_said_is_understood),
		cmocka_unit_test(what_is_left_out_has_defaults),
		cmocka_unit_test(module_with_a_cpu_polls_for_longer),
		cmocka_unit_test(a_region_has_a_doorbell_whether_one_is_named_or_not),
		cmocka_unit_test(wrong_values_are_named),
		cmocka_unit_test(a_module_is_a_name_or_a_whole_path),
		cmocka_unit_test(what_two_modules_cannot_share_is_named),
		cmocka_unit_test(what_its_io_is_promised_is_checked_as_a_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
