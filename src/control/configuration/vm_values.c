#include "control/configuration/vm_values.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "control/configuration/values.h"

#define HUGE_PAGE_BYTES (2ull << 20)
#define MEMORY_BYTES_MAX (1ull << 46)
#define DURATION_NS_MAX 3600000000000ull

static void report_missing(
	const char *key, const char *example, const char *path, struct problems *problems)
{
	problems_add(problems, path, "'%s' is missing; add '%s: %s'", key, key, example);
}

static void memory_values(const struct vm_settings *settings, const char *parent,
	struct vm_description *description, struct problems *problems)
{
	unsigned wrong = problems->count + problems->dropped;
	char path[PROBLEM_PATH_BYTES];

	if (!settings->memory) {
		report_missing("memory", "1GiB", parent, problems);
		return;
	}
	value_quantity(units_parse_bytes, settings->memory, parent, "memory",
		&description->memory_bytes, problems);
	if (problems->count + problems->dropped != wrong)
		return;
	path_key(path, parent, "memory");
	if (!description->memory_bytes || description->memory_bytes % HUGE_PAGE_BYTES)
		problems_add(problems, path,
			"'%s' is not a multiple of 2 MiB above 0; write it like 512MiB",
			settings->memory);
	else if (description->memory_bytes > MEMORY_BYTES_MAX)
		problems_add(problems, path, "'%s' is too large; at most 64TiB are possible",
			settings->memory);
}

static void huge_page_values(const struct vm_settings *settings, const char *parent,
	struct vm_description *description, struct problems *problems)
{
	const char *text = settings->huge_pages;
	int place = text ? vm_word_find(vm_huge_pages_words, text) : (int)HUGE_PAGES_IF_ANY;
	char path[PROBLEM_PATH_BYTES];

	description->huge_pages = place < 0 ? HUGE_PAGES_IF_ANY : (enum huge_pages)place;
	if (place >= 0)
		return;
	path_key(path, parent, "huge_pages");
	problems_add(problems, path, "'%s' is not one of auto, never, always", text);
}

static void cpu_values(const struct vm_settings *settings, const char *parent,
	struct vm_description *description, struct problems *problems)
{
	unsigned cores = settings->guest_cores_count;
	uint32_t count = settings->cpus ? *settings->cpus : cores ? cores : 1;
	char path[PROBLEM_PATH_BYTES];

	for (unsigned i = 0; i < VCPUS_MAX; i++)
		description->guest_cores[i] = i < cores ? settings->guest_cores[i] : VM_CPU_ANY;
	path_key(path, parent, "cpus");
	if (count < 1 || count > VCPUS_MAX)
		problems_add(problems, path, "%" PRIu32 " is out of range; it must be from 1 to %u",
			count, VCPUS_MAX);
	else if (cores && cores != count)
		problems_add(problems, path,
			"%" PRIu32 " CPUs, but %u guest cores are listed; list one for each, or "
			"leave this out",
			count, cores);
	else
		description->vcpu_count = count;
}

static void duration_value(const char *text, const char *parent, const char *key,
	uint64_t *duration_ns, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	value_quantity(units_parse_duration_ns, text, parent, key, duration_ns, problems);
	if (*duration_ns <= DURATION_NS_MAX)
		return;
	path_key(path, parent, key);
	problems_add(problems, path, "'%s' is too long; at most 1h is possible", text);
}

static void check_cores_apart(const struct vm_settings *settings, const char *parent,
	const struct vm_description *description, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], path[PROBLEM_PATH_BYTES];

	path_key(list, parent, "guest_cores");
	for (unsigned i = 0; i < settings->guest_cores_count; i++) {
		if (settings->guest_cores[i] != description->hypervisor_cpu)
			continue;
		path_index(path, list, i);
		problems_add(problems, path,
			"CPU %u is the hypervisor core; the split needs another for the guest",
			settings->guest_cores[i]);
	}
}

static void hypervisor_core_values(const struct vm_settings *settings, const char *parent,
	struct vm_description *description, struct problems *problems)
{
	const struct hypervisor_core_settings *core = settings->hypervisor_core;
	char path[PROBLEM_PATH_BYTES];

	path_key(path, parent, "hypervisor_core");
	description->hypervisor_cpu = core && core->cpu ? *core->cpu : VM_CPU_ANY;
	description->poll_ns_max = SIDECORE_POLL_NS_DEFAULT;
	if (core)
		duration_value(core->poll, path, "poll", &description->poll_ns_max, problems);
	if (description->is_split)
		check_cores_apart(settings, parent, description, problems);
}

/* Cut where no character is, as JSON carries no half ones. */
static void label(char name[VM_NAME_BYTES], const char *text)
{
	size_t end = VM_NAME_BYTES - 1;

	snprintf(name, VM_NAME_BYTES, "%s", text);
	if (strlen(text) <= end)
		return;
	while (end && (name[end - 1] & 0x80))
		name[--end] = '\0';
}

static void device_value(
	struct vm_device *device, const char *text, const char *path, struct problems *problems)
{
	label(device->name, text);
	device->is_sluiced = !strchr(text, '/');
	if (device->is_sluiced && strlen(text) >= sizeof device->name)
		problems_add(problems, path, "is %zu bytes long; at most %zu are possible",
			strlen(text), sizeof device->name - 1);
	if (device->is_sluiced)
		return;
	if (*text != '/')
		problems_add(problems, path,
			"'%s' is neither a name nor a whole path of a socket, from /", text);
	else if (strlen(text) >= sizeof device->socket)
		problems_add(problems, path, "is too long for a socket; at most %zu bytes",
			sizeof device->socket - 1);
	else
		snprintf(device->socket, sizeof device->socket, "%s", text);
}

/* One device twice would be one disk with two drivers. */
static bool is_doubled(const struct vm_description *description, const struct vm_device *device)
{
	for (unsigned i = 0; i < description->device_count; i++)
		if (description->devices[i].kind == device->kind &&
			strcmp(description->devices[i].name, device->name) == 0 &&
			strcmp(description->devices[i].socket, device->socket) == 0)
			return true;
	return false;
}

static void device_values(enum vm_device_kind kind, char *const *texts, unsigned count,
	const char *list, struct vm_description *description, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	for (unsigned i = 0; i < count; i++) {
		struct vm_device device = {.kind = kind};

		path_index(path, list, i);
		device_value(&device, texts[i], path, problems);
		if (is_doubled(description, &device))
			problems_add(problems, path, "'%s' is given twice; remove one", texts[i]);
		else if (description->device_count == VM_DEVICES_MAX)
			problems_add(problems, path, "is one too many; %u devices are possible",
				VM_DEVICES_MAX);
		else
			description->devices[description->device_count++] = device;
	}
}

static void all_device_values(const struct vm_settings *settings, const char *parent,
	struct vm_description *description, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES];

	path_key(list, parent, "disks");
	device_values(VM_DISK, settings->disks, settings->disks_count, list, description, problems);
	path_key(list, parent, "nics");
	device_values(VM_NIC, settings->nics, settings->nics_count, list, description, problems);
	path_key(list, parent, "modules");
	device_values(
		VM_MODULE, settings->modules, settings->modules_count, list, description, problems);
}

static bool is_on(const bool *setting, bool by_default)
{
	return setting ? *setting : by_default;
}

void values_of_vm(const struct vm_settings *settings, const char *path,
	struct vm_description *description, struct problems *problems)
{
	*description = (struct vm_description){
		.is_split = is_on(settings->split, true),
		.are_cores_dedicated = is_on(settings->dedicated, false),
		.has_exit_rings = is_on(settings->exit_rings, false),
	};
	if (settings->name)
		value_name(description->name, sizeof description->name, settings->name, path,
			problems);
	else
		report_missing("name", "...", path, problems);
	memory_values(settings, path, description, problems);
	huge_page_values(settings, path, description, problems);
	cpu_values(settings, path, description, problems);
	hypervisor_core_values(settings, path, description, problems);
	if (!settings->kernel)
		report_missing("kernel", "/boot/vmlinuz", path, problems);
	value_file(description->kernel, sizeof description->kernel, settings->kernel, path,
		"kernel", problems);
	value_file(description->initrd, sizeof description->initrd, settings->initrd, path,
		"initrd", problems);
	value_text(description->command_line, sizeof description->command_line,
		settings->command_line, path, "command_line", problems);
	all_device_values(settings, path, description, problems);
	value_text(description->user, sizeof description->user, settings->user, path, "user",
		problems);
	description->grace_ns = VM_GRACE_NS_DEFAULT;
	duration_value(settings->grace, path, "grace", &description->grace_ns, problems);
}
