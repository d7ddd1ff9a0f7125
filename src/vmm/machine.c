/*
 * Putting a machine together, running it, taking it apart.
 *
 * Theory of operation. A machine is made in steps, each of which leaves nothing behind if it fails: memory with
 * a kernel in it; the VM that has that memory; the service for its exits; devices; vCPUs. They are undone in
 * reverse order.
 *
 * It ends once: the first that says why (a device that the guest turns it off with, a handler, a thread that
 * stops it) sets `end`, has the service drop what is still posted, and stops all vCPUs.
 */
#include "vmm/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "vmm/machine_private.h"

/* KVM's, after those of RAM and of exit rings. */
#define FIRST_MODULE_MEMORY_SLOT (EXIT_RINGS_MEMORY_SLOT + 1)

/* ---- the end ---- */

static void end_machine(struct machine *machine, enum machine_end end)
{
	uint32_t running = MACHINE_IS_RUNNING;

	if (!__atomic_compare_exchange_n(
		    &machine->end, &running, end, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return;
	exit_service_drop(machine->service);
	for (unsigned i = 0; i < machine->vcpu_count; i++)
		vcpu_stop(machine->vcpus[i]);
}

static void end_by_verdict(void *context, enum exit_verdict verdict)
{
	static const enum machine_end ends[] = {
		[EXIT_OFF] = MACHINE_OFF,
		[EXIT_RESET] = MACHINE_RESET,
		[EXIT_CRASH] = MACHINE_CRASHED,
	};

	end_machine(context, ends[verdict]);
}

static void turned_off(void *context)
{
	end_machine(context, MACHINE_OFF);
}

static void reset(void *context)
{
	end_machine(context, MACHINE_RESET);
}

void machine_stop(struct machine *machine)
{
	end_machine(machine, MACHINE_STOPPED);
}

void machine_press_power_button(struct machine *machine)
{
	power_press_button(machine->power);
}

/* ---- memory, with a kernel in it ---- */

static int create_memory(struct machine *machine, struct error *error)
{
	const struct machine_config *config = machine->config;
	const struct boot_config boot = {
		.kernel_fd = config->kernel_fd,
		.initrd_fd = config->initrd_fd,
		.command_line = config->command_line,
		.vcpu_count = config->vcpu_count,
	};
	int result = vm_memory_create(&machine->memory, &config->memory, error);

	if (result < 0)
		return result;
	result = boot_load(&machine->memory, &boot, &machine->entry, error);
	if (result < 0)
		vm_memory_destroy(&machine->memory);
	return result;
}

/* ---- the VM ---- */

/* A kernel without statistics runs guests as well. */
static void open_statistics(struct machine *machine)
{
	struct error error;

	if (machine->kvm->has_statistics &&
		kvm_statistics_open(machine->vm_fd, &machine->statistics, &error) < 0)
		log_warning("vm '%s': %s", machine->config->name, error.message);
}

static int create_vm(struct machine *machine, struct error *error)
{
	int result = kvm_create_vm(machine->kvm, error);

	if (result < 0)
		return result;
	machine->vm_fd = result;
	result = 0;
	if (machine->config->are_cores_dedicated)
		result = kvm_disable_idle_exits(machine->kvm, machine->vm_fd, error);
	if (result == 0)
		result = vm_memory_give(&machine->memory, machine->vm_fd, error);
	if (result == 0)
		result = interrupts_create(machine->vm_fd, &machine->interrupts, error);
	if (result < 0) {
		close(machine->vm_fd);
		return result;
	}
	open_statistics(machine);
	return 0;
}

static void destroy_vm(struct machine *machine)
{
	kvm_statistics_close(machine->statistics);
	interrupts_destroy(machine->interrupts);
	close(machine->vm_fd);
}

/* ---- the service for exits ---- */

/* Would the hypervisor core's thread and this vCPU's keep each other from running? */
static bool is_core_shared(const struct machine_config *config, unsigned vcpu)
{
	const int guests = config->vcpu_cpus[vcpu], hypervisors = config->hypervisor_core.cpu;

	if (guests != SIDECORE_NOT_PINNED && hypervisors != SIDECORE_NOT_PINNED)
		return guests == hypervisors;
	return cpu_usable_count() == 1;
}

struct sidecore_config machine_hypervisor_core(const struct machine_config *config)
{
	struct sidecore_config core = config->hypervisor_core;

	for (unsigned i = 0; i < config->vcpu_count; i++)
		if (is_core_shared(config, i))
			core.poll_ns_max = 0;
	return core;
}

static int start_core(struct machine *machine, struct error *error)
{
	const struct sidecore_config core = machine_hypervisor_core(machine->config);

	machine->sidecore = machine->config->sidecore;
	return machine->sidecore ? 0 : sidecore_start(&core, &machine->sidecore, error);
}

static void stop_core(struct machine *machine)
{
	if (!machine->config->sidecore)
		sidecore_stop(machine->sidecore);
}

static int create_service(struct machine *machine, struct error *error)
{
	struct exit_service_config service = {
		.is_split = machine->config->is_split,
		.end = end_by_verdict,
		.context = machine,
	};
	int result = -ENOMEM;

	machine->registers = registers_create();
	if (!machine->registers)
		return error_set(error, result, "no memory for the map of registers");
	result = start_core(machine, error);
	if (result < 0)
		goto fail_sidecore;
	service.registers = machine->registers;
	service.sidecore = machine->sidecore;
	result = exit_service_create(&service, &machine->service, error);
	if (result < 0)
		goto fail_service;
	return 0;

fail_service:
	stop_core(machine);
fail_sidecore:
	registers_destroy(machine->registers);
	return result;
}

static void destroy_service(struct machine *machine)
{
	exit_service_destroy(machine->service);
	stop_core(machine);
	registers_destroy(machine->registers);
}

/* ---- devices ---- */

static int create_power(struct machine *machine, struct error *error)
{
	struct power_config config = {.off = turned_off, .reset = reset, .context = machine};

	config.interrupt_fd = interrupts_line(machine->interrupts, LAYOUT_GSI_POWER, error);
	if (config.interrupt_fd < 0)
		return config.interrupt_fd;
	return power_create(&config, machine->registers, &machine->power, error);
}

static int create_serial(struct machine *machine, struct error *error)
{
	struct serial_config config = {
		.input_fd = machine->config->console_input_fd,
		.output_fd = machine->config->console_output_fd,
	};

	config.interrupt_fd = interrupts_line(machine->interrupts, LAYOUT_GSI_SERIAL, error);
	if (config.interrupt_fd < 0)
		return config.interrupt_fd;
	return serial_create(
		&config, machine->registers, machine->service, &machine->serial, error);
}

static void destroy_virtio(struct machine *machine)
{
	while (machine->device_count > 0)
		virtio_device_destroy(machine->devices[--machine->device_count]);
}

static int create_virtio(struct machine *machine, struct error *error)
{
	const struct virtio_device_place place = {
		.vm_fd = machine->vm_fd,
		.memory = &machine->memory,
		.interrupts = machine->interrupts,
		.bus = machine->bus,
	};
	const struct machine_config *config = machine->config;

	for (unsigned i = 0; i < config->device_count; i++) {
		int result = virtio_device_create(
			&config->devices[i], &place, &machine->devices[i], error);

		if (result < 0) {
			destroy_virtio(machine);
			return result;
		}
		machine->device_count++;
	}
	return 0;
}

static void destroy_modules(struct machine *machine)
{
	while (machine->module_count > 0)
		ivshmem_device_destroy(machine->modules[--machine->module_count]);
}

static int create_modules(struct machine *machine, struct error *error)
{
	const struct machine_config *config = machine->config;
	struct ivshmem_device_place place = {.vm_fd = machine->vm_fd, .bus = machine->bus};

	for (unsigned i = 0; i < config->module_count; i++) {
		int result;

		place.memory_slot = FIRST_MODULE_MEMORY_SLOT + i;
		result = ivshmem_device_create(
			&config->modules[i], &place, &machine->modules[i], error);
		if (result < 0) {
			destroy_modules(machine);
			return result;
		}
		machine->module_count++;
	}
	return 0;
}

static int create_rings(struct machine *machine, struct error *error)
{
	const struct exit_rings_config config = {
		.name = machine->config->name, .count = machine->config->vcpu_count};
	const struct exit_rings_place place = {
		.vm_fd = machine->vm_fd,
		.memory = &machine->memory,
		.interrupts = machine->interrupts,
		.registers = machine->registers,
		.service = machine->service,
	};

	if (!machine->config->has_exit_rings)
		return 0;
	return exit_rings_create(&config, &place, &machine->rings, error);
}

static int create_devices(struct machine *machine, struct error *error)
{
	int result = create_power(machine, error);

	if (result < 0)
		return result;
	result = create_serial(machine, error);
	if (result < 0)
		goto fail_serial;
	result = pci_bus_create(machine->registers, &machine->bus, error);
	if (result < 0)
		goto fail_bus;
	result = create_virtio(machine, error);
	if (result < 0)
		goto fail_virtio;
	result = create_modules(machine, error);
	if (result < 0)
		goto fail_modules;
	result = create_rings(machine, error);
	if (result < 0)
		goto fail_rings;
	return 0;

fail_rings:
	destroy_modules(machine);
fail_modules:
	destroy_virtio(machine);
fail_virtio:
	pci_bus_destroy(machine->bus);
fail_bus:
	serial_destroy(machine->serial);
fail_serial:
	power_destroy(machine->power);
	return result;
}

static void destroy_devices(struct machine *machine)
{
	exit_rings_destroy(machine->rings);
	destroy_modules(machine);
	destroy_virtio(machine);
	pci_bus_destroy(machine->bus);
	serial_destroy(machine->serial);
	power_destroy(machine->power);
}

/* ---- vCPUs ---- */

static int create_vcpu(struct machine *machine, unsigned index, struct error *error)
{
	const struct machine_config *config = machine->config;
	struct vcpu_config vcpu = {
		.machine_name = config->name,
		.kvm = machine->kvm,
		.vm_fd = machine->vm_fd,
		.cpu = config->vcpu_cpus[index],
		.spin_ns_max = is_core_shared(config, index) ? 0 : EXIT_SLOT_SPIN_NS_DEFAULT,
		.state = {.index = index,
			.vcpu_count = config->vcpu_count,
			.is_core_dedicated = config->are_cores_dedicated,
			.has_exit_rings = config->has_exit_rings,
			.entry = machine->entry},
		.registers = machine->registers,
		.service = machine->service,
		.end = end_by_verdict,
		.context = machine,
	};

	if (machine->rings)
		exit_rings_leaf(machine->rings, vcpu.state.exit_ring_leaf);
	return vcpu_create(&vcpu, &machine->vcpus[index], error);
}

static void destroy_vcpus(struct machine *machine)
{
	while (machine->vcpu_count > 0)
		vcpu_destroy(machine->vcpus[--machine->vcpu_count]);
}

static int create_vcpus(struct machine *machine, struct error *error)
{
	for (unsigned i = 0; i < machine->config->vcpu_count; i++) {
		int result = create_vcpu(machine, i, error);

		if (result < 0) {
			destroy_vcpus(machine);
			return result;
		}
		machine->slots[i] = vcpu_slot(machine->vcpus[i]);
		machine->vcpu_count++;
	}
	return 0;
}

/* ---- the whole ---- */

static int set_up(struct machine *machine, struct error *error)
{
	int result = create_memory(machine, error);

	if (result < 0)
		return result;
	result = create_vm(machine, error);
	if (result < 0)
		goto fail_vm;
	result = create_service(machine, error);
	if (result < 0)
		goto fail_service;
	result = create_devices(machine, error);
	if (result < 0)
		goto fail_devices;
	result = create_vcpus(machine, error);
	if (result < 0)
		goto fail_vcpus;
	return 0;

fail_vcpus:
	destroy_devices(machine);
fail_devices:
	destroy_service(machine);
fail_service:
	destroy_vm(machine);
fail_vm:
	vm_memory_destroy(&machine->memory);
	return result;
}

int machine_create(const struct machine_config *config, const struct kvm *kvm,
	struct machine **machine, struct error *error)
{
	struct machine *new_one;
	int result;

	if (config->vcpu_count == 0 || config->vcpu_count > VCPUS_MAX)
		return error_set(error, -EINVAL, "vm '%s': %u vCPUs; it can have 1 to %u",
			config->name, config->vcpu_count, VCPUS_MAX);
	new_one = calloc(1, sizeof *new_one);
	if (!new_one)
		return error_set(error, -ENOMEM, "vm '%s': no memory", config->name);
	new_one->config = config;
	new_one->kvm = kvm;
	result = set_up(new_one, error);
	if (result < 0) {
		free(new_one);
		return error_prefix(error, result, "vm '%s': ", config->name);
	}
	*machine = new_one;
	return 0;
}

void machine_destroy(struct machine *machine)
{
	destroy_vcpus(machine);
	destroy_devices(machine);
	destroy_service(machine);
	destroy_vm(machine);
	vm_memory_destroy(&machine->memory);
	free(machine);
}

enum machine_end machine_run(struct machine *machine)
{
	const struct exit_service_coalescing coalescing = {
		.vm_fd = machine->vm_fd,
		.has_ports = machine->kvm->has_coalesced_ports,
		.page = vcpu_coalesced_page(machine->vcpus[0]),
		.page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
	};

	exit_service_start(machine->service, machine->slots, machine->vcpu_count, &coalescing);
	for (unsigned i = 0; i < machine->vcpu_count; i++)
		vcpu_start(machine->vcpus[i]);
	for (unsigned i = 0; i < machine->vcpu_count; i++)
		vcpu_join(machine->vcpus[i]);
	exit_service_stop(machine->service);
	return __atomic_load_n(&machine->end, __ATOMIC_SEQ_CST);
}
