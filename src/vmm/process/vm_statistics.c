#include "vmm/process/vm_statistics.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/counter.h"
#include "vmm/machine_statistics.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* ---- exits ---- */

static json_t *describe_exits(const struct machine_statistics *statistics)
{
	json_t *exits = json_array();

	for (unsigned reason = 0; reason < EXIT_REASON_COUNT; reason++) {
		const struct exit_reason_row *row = &exit_reasons[reason];
		uint64_t count = 0;

		for (unsigned i = 0; i < statistics->vcpu_count; i++)
			count += counter_get(&statistics->vcpus[i].by_vcpu->exits[reason]);
		if (count)
			json_array_append_new(exits,
				json_pack("{s:s, s:s, s:s, s:o}", "reason", row->name, "class",
					exit_class_names[row->class], "place",
					exit_place_names[row->place], "count", number(count)));
	}
	return exits;
}

/* The class that the way of an access makes it, whatever the table hopes for: a parked core has none coalesced. */
static enum exit_class class_of(enum exit_path path)
{
	static const enum exit_class classes[EXIT_PATH_COUNT] = {
		[EXIT_BY_POST] = EXIT_SYNCHRONOUS,
		[EXIT_BY_COALESCING] = EXIT_ASYNCHRONOUS,
		[EXIT_BY_DOORBELL] = EXIT_ASYNCHRONOUS,
		[EXIT_BY_MEMORY] = EXIT_ASYNCHRONOUS,
		[EXIT_BY_KERNEL] = EXIT_ELIMINATED,
	};

	return classes[path];
}

static void add_access(json_t *accesses, const char *name, const char *access,
	const uint64_t counts[EXIT_PATH_COUNT])
{
	for (unsigned path = 0; path < EXIT_PATH_COUNT; path++) {
		uint64_t count = counter_get(&counts[path]);

		if (count)
			json_array_append_new(accesses,
				json_pack("{s:s, s:s, s:s, s:s, s:o}", "register", name, "access",
					access, "class", exit_class_names[class_of(path)], "path",
					exit_path_names[path], "count", number(count)));
	}
}

static json_t *describe_accesses(const struct machine_statistics *statistics)
{
	json_t *accesses = json_array();

	for (unsigned kind = 0; kind < REGISTER_KIND_COUNT; kind++) {
		const char *name = register_kinds[kind].name;

		add_access(accesses, name, "read", statistics->registers[kind]->reads);
		add_access(accesses, name, "write", statistics->registers[kind]->writes);
	}
	add_access(accesses, "none", "read", statistics->registers_of_nobody->reads);
	add_access(accesses, "none", "write", statistics->registers_of_nobody->writes);
	return accesses;
}

/* ---- time ---- */

static void add_histogram(struct histogram *sum, const struct histogram *histogram)
{
	uint64_t max = counter_get(&histogram->max);

	sum->count += counter_get(&histogram->count);
	sum->sum += counter_get(&histogram->sum);
	sum->max = max > sum->max ? max : sum->max;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		sum->buckets[i] += counter_get(&histogram->buckets[i]);
}

/* From a return of KVM_RUN's until the guest goes on, over all vCPUs. */
static json_t *describe_lost_time(const struct machine_statistics *statistics)
{
	struct histogram *lost = calloc(1, sizeof *lost);
	json_t *description = json_object();

	for (unsigned i = 0; lost && i < statistics->vcpu_count; i++)
		add_histogram(lost, &statistics->vcpus[i].by_vcpu->lost_ns);
	if (lost) {
		json_object_set_new(description, "count", number(lost->count));
		json_object_set_new(description, "sum", number(lost->sum));
		json_object_set_new(description, "p50", number(histogram_quantile(lost, 0.5)));
		json_object_set_new(description, "p99", number(histogram_quantile(lost, 0.99)));
		json_object_set_new(description, "p99.9", number(histogram_quantile(lost, 0.999)));
		json_object_set_new(description, "max", number(lost->max));
	}
	free(lost);
	return description;
}

/* ---- notifications ---- */

/* Who has waited for whom, and who had to be woken. */
static json_t *describe_notifications(const struct machine_statistics *statistics)
{
	struct exits_handled handled = machine_exits_handled(statistics);
	uint64_t spinning = 0, asleep = 0, doorbells = 0, wakes = 0;

	for (unsigned i = 0; i < statistics->vcpu_count; i++) {
		const struct exit_counters_of_vcpu *vcpu = statistics->vcpus[i].by_vcpu;

		spinning += counter_get(&vcpu->answered_spinning);
		asleep += counter_get(&vcpu->answered_asleep);
		doorbells += counter_get(&vcpu->doorbells);
		wakes += counter_get(&statistics->vcpus[i].by_core->wakes);
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "handled_on_vcpus",
		number(handled.on_vcpus), "handled_on_core", number(handled.on_core),
		"answered_spinning", number(spinning), "answered_asleep", number(asleep),
		"doorbells_to_core", number(doorbells), "wakes_of_vcpus", number(wakes),
		"coalesced_writes", number(statistics->service.coalesced_writes));
}

/* What guests have asked by exit rings, without an exit; NULL if there are none. */
static json_t *describe_rings(const struct machine_statistics *statistics)
{
	uint64_t synchronous = 0, asynchronous = 0, refused = 0, interrupts = 0;
	unsigned stopped = 0;

	for (unsigned i = 0; i < statistics->vcpu_count; i++) {
		const struct exit_ring_counters *ring = statistics->vcpus[i].by_ring;

		if (!ring)
			return NULL;
		synchronous += counter_get(&ring->synchronous);
		asynchronous += counter_get(&ring->asynchronous);
		refused += counter_get(&ring->refused);
		interrupts += counter_get(&ring->interrupts);
		stopped += statistics->vcpus[i].ring_state != SLUICE_EXIT_RING_SERVED;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "synchronous", number(synchronous),
		"asynchronous", number(asynchronous), "refused", number(refused), "interrupts",
		number(interrupts), "stopped", number(stopped));
}

static json_t *describe_core(const struct sidecore_counters *core)
{
	const struct {
		const char *key;
		const uint64_t *counter;
	} counters[] = {
		{"polls_busy", &core->polls_busy},
		{"polls_idle", &core->polls_idle},
		{"sleeps", &core->sleeps},
		{"kicks_received", &core->kicks_received},
		{"calls_sent", &core->calls_sent},
		{"cpu_ns", &core->cpu_ns},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		json_object_set_new(
			description, counters[i].key, number(counter_get(counters[i].counter)));
	return description;
}

/* ---- the rest ---- */

static json_t *describe_device(const struct virtio_device *device)
{
	const struct virtio_device_config *config = virtio_device_config(device);
	struct virtio_device_statistics statistics;

	virtio_device_statistics(device, &statistics);
	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:o, s:o}", "name", config->name, "socket",
		config->socket_path, "is_connected", statistics.is_connected, "is_active",
		statistics.is_active, "needs_reset", statistics.needs_reset, "reconnects",
		number(statistics.reconnects), "interrupts_masked",
		number(statistics.interrupts_masked));
}

static json_t *describe_module(struct ivshmem_device *module)
{
	const struct ivshmem_device_config *config = ivshmem_device_config(module);
	struct ivshmem_device_statistics statistics;

	ivshmem_device_statistics(module, &statistics);
	return json_pack("{s:s, s:s, s:b, s:b, s:o}", "name", config->name, "socket",
		config->socket_path, "is_connected", statistics.is_connected, "is_active",
		statistics.is_mapped, "reconnects", number(statistics.reconnects));
}

static json_t *describe_devices(const struct machine_statistics *statistics)
{
	json_t *devices = json_array();

	for (unsigned i = 0; i < statistics->device_count; i++)
		json_array_append_new(devices, describe_device(statistics->devices[i]));
	for (unsigned i = 0; i < statistics->module_count; i++)
		json_array_append_new(devices, describe_module(statistics->modules[i]));
	return devices;
}

/* All vCPUs' numbers of a name are added up. */
static void add_kvm_number(void *sums, const char *name, uint64_t value)
{
	json_int_t sum = json_integer_value(json_object_get(sums, name)) + (json_int_t)value;

	if (sum)
		json_object_set_new(sums, name, json_integer(sum));
}

/* Empty if this kernel has none. */
static json_t *describe_kvm(const struct machine *machine, unsigned vcpu_count)
{
	json_t *sums = json_object();

	machine_kvm_statistics(machine, MACHINE_KVM_STATISTICS_OF_VM, add_kvm_number, sums);
	for (unsigned i = 0; i < vcpu_count; i++)
		machine_kvm_statistics(machine, (int)i, add_kvm_number, sums);
	return sums;
}

json_t *vm_statistics_describe(const struct machine *machine)
{
	struct machine_statistics statistics;
	json_t *description = json_object(), *rings;

	machine_statistics(machine, &statistics);
	json_object_set_new(description, "at_ns", number(clock_now_ns()));
	json_object_set_new(description, "vcpus", json_integer(statistics.vcpu_count));
	json_object_set_new(description, "exits", describe_exits(&statistics));
	json_object_set_new(description, "accesses", describe_accesses(&statistics));
	json_object_set_new(description, "lost_ns", describe_lost_time(&statistics));
	json_object_set_new(description, "notifications", describe_notifications(&statistics));
	rings = describe_rings(&statistics);
	if (rings)
		json_object_set_new(description, "exit_rings", rings);
	json_object_set_new(description, "core", describe_core(statistics.core));
	json_object_set_new(description, "devices", describe_devices(&statistics));
	json_object_set_new(description, "kvm", describe_kvm(machine, statistics.vcpu_count));
	return description;
}
