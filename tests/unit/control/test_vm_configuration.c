/* What a VM's settings mean, what is said about wrong ones, and that its description survives the journey. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"
#include "control/configuration/vm_values.h"

static const char full_text[] = "name: db\n"
				"memory: 1GiB\n"
				"guest_cores: [2, 3]\n"
				"hypervisor_core: {cpu: 1, poll: 20us}\n"
				"split: false\n"
				"dedicated: true\n"
				"exit_rings: true\n"
				"huge_pages: always\n"
				"kernel: /boot/vmlinuz\n"
				"initrd: /boot/initrd\n"
				"command_line: console=ttyS0 quiet\n"
				"disks: [gold, /run/other.sock]\n"
				"nics: [web]\n"
				"modules: [store]\n"
				"user: vm-db\n"
				"grace: 1min\n";

static struct vm_settings *load(const char *text)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct vm_settings *vm = NULL;

	configuration_load_vm(text, strlen(text), &vm, problems);
	problems_print(problems, "vm.yaml", stderr);
	assert_non_null(vm);
	free(problems);
	return vm;
}

/* All that is wrong with the values, as one text; to be freed. */
static char *describe(const struct vm_settings *vm, struct vm_description *description)
{
	struct problems *problems = calloc(1, sizeof *problems);
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	values_of_vm(vm, "", description, problems);
	problems_print(problems, "vm", to);
	fclose(to);
	free(problems);
	return printed;
}

static void assert_full(const struct vm_description *description)
{
	assert_string_equal(description->name, "db");
	assert_int_equal(description->memory_bytes, 1u << 30);
	assert_int_equal(description->vcpu_count, 2);
	assert_int_equal(description->guest_cores[1], 3);
	assert_int_equal(description->hypervisor_cpu, 1);
	assert_int_equal(description->poll_ns_max, 20000);
	assert_false(description->is_split);
	assert_true(description->are_cores_dedicated);
	assert_true(description->has_exit_rings);
	assert_int_equal(description->huge_pages, HUGE_PAGES_ALWAYS);
	assert_string_equal(description->kernel, "/boot/vmlinuz");
	assert_string_equal(description->initrd, "/boot/initrd");
	assert_string_equal(description->command_line, "console=ttyS0 quiet");
	assert_int_equal(description->device_count, 4);
	assert_true(description->devices[0].is_sluiced);
	assert_string_equal(description->devices[0].name, "gold");
	assert_false(description->devices[1].is_sluiced);
	assert_string_equal(description->devices[1].socket, "/run/other.sock");
	assert_int_equal(description->devices[2].kind, VM_NIC);
	assert_int_equal(description->devices[3].kind, VM_MODULE);
	assert_string_equal(description->devices[3].name, "store");
	assert_string_equal(description->user, "vm-db");
	assert_true(description->grace_ns == 60000000000u);
}

static void a_vm_means_what_it_says(void **state)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_settings *vm = load(full_text);
	char *complaint = describe(vm, description);

	assert_string_equal(complaint, "");
	assert_full(description);
	free(complaint);
	configuration_free_vm(vm);
	free(description);
}

static void a_description_survives_the_journey(void **state)
{
	struct vm_description *sent = calloc(1, sizeof *sent), *got = calloc(1, sizeof *got);
	struct vm_settings *vm = load(full_text);
	json_t *encoded;
	struct error error;
	char *text;

	free(describe(vm, sent));
	encoded = vm_description_encode(sent);
	text = json_dumps(encoded, 0);
	assert_int_equal(vm_description_decode(text, got, &error), 0);
	assert_full(got);
	json_decref(encoded);
	free(text);
	configuration_free_vm(vm);
	free(sent);
	free(got);
}

/* Each key in turn is made something that it must not be. */
static void a_description_that_is_not_one_is_refused(void **state)
{
	struct vm_description *sent = calloc(1, sizeof *sent), *got = calloc(1, sizeof *got);
	struct vm_settings *vm = load(full_text);
	json_t *encoded, *value;
	struct error error;
	const char *key;

	free(describe(vm, sent));
	encoded = vm_description_encode(sent);
	json_object_foreach (encoded, key, value) {
		json_t *wrong = json_copy(encoded);
		char *text;

		json_object_set_new(wrong, key, json_pack("[[f]]", 0.5));
		text = json_dumps(wrong, 0);
		assert_int_equal(vm_description_decode(text, got, &error), -EINVAL);
		free(text);
		json_decref(wrong);
	}
	json_decref(encoded);
	assert_int_equal(vm_description_decode("{", got, &error), -EINVAL);
	configuration_free_vm(vm);
	free(sent);
	free(got);
}

/* A path is cut to be a name; what is cut must not be half a character, which JSON could not carry. */
static void a_long_path_of_any_letters_survives_as_well(void **state)
{
	static const char path[] =
		"/run/\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4"
		"\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4.sock";
	struct vm_description *sent = calloc(1, sizeof *sent), *got = calloc(1, sizeof *got);
	struct vm_settings *vm;
	json_t *encoded;
	struct error error;
	char text[256], *json;

	for (const char *prefix = "xx"; *prefix; prefix++) {
		snprintf(text, sizeof text,
			"{name: a, memory: 64MiB, kernel: /k, disks: [\"/%s%s\"]}", prefix, path);
		vm = load(text);
		free(describe(vm, sent));
		encoded = vm_description_encode(sent);
		json = json_dumps(encoded, 0);
		assert_int_equal(vm_description_decode(json, got, &error), 0);
		assert_string_equal(got->devices[0].socket, sent->devices[0].socket);
		free(json);
		json_decref(encoded);
		configuration_free_vm(vm);
	}
	free(sent);
	free(got);
}

/* As numbers they would be an enumeration's, which nobody who reads JSON has. */
static void what_has_a_name_is_sent_by_it(void **state)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_settings *vm = load(
		"{name: a, memory: 64MiB, kernel: /k, huge_pages: never, disks: [/d], nics: [/n]}");
	json_t *encoded, *devices;

	free(describe(vm, description));
	description->sandbox = VM_SANDBOX_LOG;
	encoded = vm_description_encode(description);
	devices = json_object_get(encoded, "devices");
	assert_string_equal(json_string_value(json_object_get(encoded, "huge_pages")), "never");
	assert_string_equal(json_string_value(json_object_get(encoded, "sandbox")), "log");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(devices, 0), "kind")), "disk");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(devices, 1), "kind")), "nic");
	json_decref(encoded);
	configuration_free_vm(vm);
	free(description);
}

static void little_need_be_said(void **state)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_settings *vm = load("{name: a, memory: 64MiB, kernel: /vmlinuz}");
	char *complaint = describe(vm, description);

	assert_string_equal(complaint, "");
	assert_int_equal(description->vcpu_count, 1);
	assert_int_equal(description->guest_cores[0], VM_CPU_ANY);
	assert_int_equal(description->hypervisor_cpu, VM_CPU_ANY);
	assert_true(description->is_split);
	assert_int_equal(description->huge_pages, HUGE_PAGES_IF_ANY);
	assert_true(description->grace_ns == VM_GRACE_NS_DEFAULT);
	free(complaint);
	configuration_free_vm(vm);
	free(description);
}

static void what_is_given_later_goes_before(void **state)
{
	static const char over[] = "{\"memory\": \"2GiB\", \"hypervisor_core\": {\"poll\": \"0\"}, "
				   "\"disks\": [\"bulk\"], \"split\": true}";
	struct problems *problems = calloc(1, sizeof *problems);
	struct vm_settings *vm = load(full_text);

	configuration_load_vm(over, strlen(over), &vm, problems);
	assert_int_equal(problems->count, 0);
	assert_string_equal(vm->memory, "2GiB");
	assert_string_equal(vm->name, "db");
	assert_int_equal(*vm->hypervisor_core->cpu, 1);
	assert_string_equal(vm->hypervisor_core->poll, "0");
	assert_int_equal(vm->disks_count, 1);
	assert_string_equal(vm->disks[0], "bulk");
	assert_true(*vm->split);
	configuration_free_vm(vm);
	free(problems);
}

static void mistakes_are_named_with_their_mend(void **state)
{
	static const struct {
		const char *text, *complaint;
	} cases[] = {
		{"{}", "vm: 'name' is missing; add 'name: ...'\n"
		       "vm: 'memory' is missing; add 'memory: 1GiB'\n"
		       "vm: 'kernel' is missing; add 'kernel: /boot/vmlinuz'\n"},
		{"memory: 3MiB", "memory: '3MiB' is not a multiple of 2 MiB above 0"},
		{"memory: 0", "memory: '0' is not a multiple of 2 MiB above 0"},
		{"memory: 65TiB", "memory: '65TiB' is too large; at most 64TiB"},
		{"hypervisor_core: {poll: 2h}", "hypervisor_core.poll: '2h' is too long"},
		{"name: a/b", "name: 'a/b' is not a name"},
		{"cpus: 65", "cpus: 65 is out of range; it must be from 1 to 64"},
		{"{cpus: 3, guest_cores: [1]}", "cpus: 3 CPUs, but 1 guest cores are listed"},
		{"{guest_cores: [1, 4], hypervisor_core: {cpu: 4}}",
			"guest_cores[1]: CPU 4 is the hypervisor core"},
		{"hypervisor_core: {poll: 5}", "hypervisor_core.poll: '5' is not a duration"},
		{"huge_pages: some", "huge_pages: 'some' is not one of auto, never, always"},
		{"kernel: vmlinuz", "kernel: 'vmlinuz' is relative"},
		{"disks: [gold, gold]", "disks[1]: 'gold' is given twice; remove one"},
		{"nics: [./tap]", "nics[0]: './tap' is neither a name nor a whole path"},
		{"grace: 2h", "grace: '2h' is too long; at most 1h is possible"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct vm_description *description = calloc(1, sizeof *description);
		struct vm_settings *vm = load(cases[i].text);
		char *complaint = describe(vm, description);

		assert_non_null(strstr(complaint, cases[i].complaint));
		free(complaint);
		configuration_free_vm(vm);
		free(description);
	}
}

/* What `sluiced --check` prints for a text; to be freed. */
static void expect(const char *text, const char *expected)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	configuration_load(text, strlen(text), &configuration, problems);
	problems_print(problems, "sluice.yaml", to);
	fclose(to);
	assert_string_equal(printed, expected);
	configuration_free(configuration);
	free(problems);
	free(printed);
}

static void the_whole_is_checked_with_its_lines(void **state)
{
	expect("pools: [{name: p, backend: ram}]\n"
	       "disks: [{name: gold, size: 1GiB}]\n"
	       "vms:\n"
	       "- {name: a, memory: 64MiB, kernel: /vmlinuz, disks: [gold, /x.sock]}\n",
		"");
	expect("nics: [{name: web, netdev: tap0, device: {}}]\n"
	       "vms: [{name: a, memory: 64MiB, kernel: /vmlinuz, nics: [web]}]\n",
		"");
	expect("modules: [{name: db, module: echo, directory: /d, region: /dev/shm/r}]\n"
	       "vms: [{name: a, memory: 64MiB, kernel: /vmlinuz, modules: [db]}]\n",
		"");
	expect("modules: [{name: db, module: echo, directory: /d}]\n"
	       "vms: [{name: a, memory: 64MiB, kernel: /vmlinuz, modules: [db]}]\n",
		"sluice.yaml:2:60: vms[0].modules[0]: module 'db' has no 'region'; add one to it, "
		"like /dev/shm/db\n");
	expect("network: {host: h, uplink: eth0, link: 1Gbit, key: /k, "
	       "hosts: [{name: h, address: 10.0.0.1}]}\n"
	       "nics: [{name: web, netdev: tap0}]\n"
	       "vms: [{name: a, memory: 64MiB, kernel: /vmlinuz, nics: [web]}]\n",
		"sluice.yaml:3:57: vms[0].nics[0]: vNIC 'web' has no 'device'; add 'device: {}' to "
		"it\n");
	expect("vms:\n"
	       "- {name: a, memory: 64MiB, kernel: /vmlinuz, disks: [gold]}\n"
	       "- {name: a, memory: 64MiB, kernel: /vmlinuz, splti: on}\n",
		"sluice.yaml:3:53: vms[1].splti: unknown key; did you mean 'split'?\n");
	expect("vms:\n"
	       "- {name: a, memory: 64MiB, kernel: /vmlinuz, disks: [gold]}\n"
	       "- {name: a, memory: 1, kernel: /vmlinuz}\n",
		"sluice.yaml:2:54: vms[0].disks[0]: there is no disk 'gold'; there is: none\n"
		"sluice.yaml:3:10: vms[1].name: 'a' is taken by vms[0]; choose another name\n"
		"sluice.yaml:3:21: vms[1].memory: '1' is not a multiple of 2 MiB above 0; write it "
		"like 512MiB\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_means_what_it_says),
		cmocka_unit_test(a_description_survives_the_journey),
		cmocka_unit_test(a_description_that_is_not_one_is_refused),
		cmocka_unit_test(a_long_path_of_any_letters_survives_as_well),
		cmocka_unit_test(what_has_a_name_is_sent_by_it),
		cmocka_unit_test(little_need_be_said),
		cmocka_unit_test(what_is_given_later_goes_before),
		cmocka_unit_test(mistakes_are_named_with_their_mend),
		cmocka_unit_test(the_whole_is_checked_with_its_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
