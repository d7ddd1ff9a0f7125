/*
 * sluice-vm: one VM, from its description to the end of its guest. Started by `sluice vm run`, which keeps the
 * terminal; standard input and output are the guest's console.
 *
 * Theory of operation. First everything is opened, then the sandbox is entered, then the guest runs, on threads of
 * its own; this one serves the control socket and signals. The hypervisor core runs from the first boot to the last
 * end, since its io_uring is made before the sandbox, in which no other can be.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ids.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_source.h"
#include "control/socket/run_directory.h"
#include "control/vm/vm_exit_status.h"
#include "vmm/process/vm_control.h"
#include "vmm/process/vm_sandbox.h"

_Static_assert(VM_DEVICES_MAX == PCI_FUNCTIONS_MAX, "a device is a function");

struct vm {
	struct vm_description description;
	struct machine_config machine;
	struct kvm kvm;
	struct io_uring ring; /* the hypervisor core's */
	struct control_server *server;
	struct vm_control control;
	struct vm_power power;
	int signals;
	pid_t parent; /* `sluice vm run`, asked for before the sandbox */
};

/* Signals arrive as reads; all threads started later inherit the mask. */
static int open_signals(struct error *error)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGQUIT);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? error_set(error, -errno, "cannot watch signals: %s", strerror(errno)) : fd;
}

/* Each queue takes descriptors; io_uring and the guest's memory, when locked, count as locked memory. */
static void raise_limits(void)
{
	const int limits[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit;

		if (getrlimit(limits[i], &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(limits[i], &limit);
	}
}

static int open_file(const char *key, const char *path, int *fd, struct error *error)
{
	*fd = -1;
	if (!*path)
		return 0;
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	return error_set(error, -errno, "%s: cannot open %s: %s", key, path, strerror(errno));
}

static int open_control(struct vm *vm, struct error *error)
{
	char path[PATH_MAX];
	int result = run_directory_make_for_vms(error);

	if (result < 0)
		return result;
	run_directory_vm_socket(vm->description.name, path, sizeof path);
	result = control_server_open(
		path, NULL, vm_control_methods, &vm->control, &vm->server, error);
	if (result == -EADDRINUSE)
		return error_set(error, result,
			"it is running already; see 'sluice vm show %s', or choose another name",
			vm->description.name);
	return result;
}

static void describe_module(const struct vm_device *device, struct ivshmem_device_config *config)
{
	memcpy(config->name, device->name, sizeof config->name);
	memcpy(config->socket_path, device->socket, sizeof config->socket_path);
}

static void describe_virtio(
	const struct vm_device *device, unsigned vcpu_count, struct virtio_device_config *config)
{
	*config = (struct virtio_device_config){
		.type = device->kind == VM_DISK ? VIRTIO_ID_BLOCK : VIRTIO_ID_NET,
		.queue_size = VIRTIO_DEVICE_QUEUE_SIZE_DEFAULT,
		.vcpu_count = vcpu_count,
	};
	memcpy(config->name, device->name, sizeof config->name);
	memcpy(config->socket_path, device->socket, sizeof config->socket_path);
}

static void describe_devices(
	const struct vm_description *description, struct machine_config *machine)
{
	for (unsigned i = 0; i < description->device_count; i++) {
		const struct vm_device *device = &description->devices[i];

		if (device->kind == VM_MODULE)
			describe_module(device, &machine->modules[machine->module_count++]);
		else
			describe_virtio(device, description->vcpu_count,
				&machine->devices[machine->device_count++]);
	}
}

static void describe_machine(struct vm *vm)
{
	const struct vm_description *description = &vm->description;
	struct machine_config *machine = &vm->machine;

	memcpy(machine->name, description->name, sizeof machine->name);
	machine->memory = (struct vm_memory_config){
		.size_bytes = description->memory_bytes,
		.huge_pages = description->huge_pages,
		.is_prefaulted = true,
	};
	machine->vcpu_count = description->vcpu_count;
	memcpy(machine->vcpu_cpus, description->guest_cores, sizeof machine->vcpu_cpus);
	machine->are_cores_dedicated = description->are_cores_dedicated;
	machine->is_split = description->is_split;
	machine->hypervisor_core = (struct sidecore_config){
		.name = "hypervisor",
		.cpu = description->hypervisor_cpu,
		.poll_ns_max = description->poll_ns_max,
	};
	machine->command_line = description->command_line;
	machine->console_input_fd = STDIN_FILENO;
	machine->console_output_fd = STDOUT_FILENO;
	machine->has_exit_rings = description->has_exit_rings;
	describe_devices(description, machine);
}

static int enter_sandbox(const struct vm *vm, struct error *error)
{
	if (vm->description.sandbox != VM_SANDBOX_OFF)
		return vm_sandbox_enter(
			vm->description.user, vm->description.sandbox == VM_SANDBOX_LOG, error);
	log_warning("VM '%s' runs without a sandbox", vm->description.name);
	return 0;
}

static int prepare(struct vm *vm, struct error *error)
{
	int result;

	describe_machine(vm);
	vm->parent = getppid();
	raise_limits();
	vm->signals = open_signals(error);
	result = vm->signals < 0 ? vm->signals : kvm_open(NULL, &vm->kvm, error);
	if (result == 0)
		result = open_file("kernel", vm->description.kernel, &vm->machine.kernel_fd, error);
	if (result == 0)
		result = open_file("initrd", vm->description.initrd, &vm->machine.initrd_fd, error);
	if (result == 0)
		result = open_control(vm, error);
	if (result == 0)
		result = sidecore_make_restricted_ring(&vm->ring, error);
	if (result == 0)
		result = enter_sandbox(vm, error);
	return result;
}

static void take_signal(struct vm *vm)
{
	struct signalfd_siginfo signal;

	if (read(vm->signals, &signal, sizeof signal) == sizeof signal)
		vm_power_signal(&vm->power, signal.ssi_signo == SIGQUIT,
			signal.ssi_pid == (uint32_t)vm->parent);
}

static void serve(struct vm *vm, struct vm_life *life)
{
	struct pollfd others[] = {
		{vm_life_over_fd(life), POLLIN, 0},
		{vm->signals, POLLIN, 0},
		{vm->power.timer_fd, POLLIN, 0},
	};

	for (;;) {
		control_server_wait(vm->server, others, sizeof others / sizeof *others, -1);
		if (others[0].revents)
			return;
		if (others[1].revents)
			take_signal(vm);
		if (others[2].revents)
			vm_power_expire(&vm->power);
	}
}

/* Threads that are made from here on are in the sandbox. */
static int start_hypervisor_core(struct vm *vm, struct error *error)
{
	struct sidecore_config core = machine_hypervisor_core(&vm->machine);

	core.restricted_ring = &vm->ring;
	return sidecore_start(&core, &vm->machine.sidecore, error);
}

/* Returns how the VM ended, or a negative errno. */
static int live(struct vm *vm, struct error *error)
{
	struct vm_life *life;
	int result = vm_life_begin(&vm->machine, &vm->kvm, &life, error);

	if (result < 0)
		return result;
	result = vm_power_init(&vm->power, life, vm->description.grace_ns, error);
	if (result < 0)
		return result;
	vm->control = (struct vm_control){
		.description = &vm->description,
		.life = life,
		.power = &vm->power,
		.started_at_ns = clock_now_ns(),
	};
	serve(vm, life);
	control_server_close(vm->server);
	result = vm_life_end(life, error);
	vm_power_free(&vm->power);
	return result;
}

/* As `live`. */
static int run(struct vm *vm, struct error *error)
{
	int result = start_hypervisor_core(vm, error);

	if (result == 0)
		result = live(vm, error);
	if (result >= 0)
		sidecore_stop(vm->machine.sidecore);
	return result;
}

static int exit_status(const char *name, int end)
{
	switch (end) {
	case MACHINE_OFF:
		log_info("VM '%s': the guest has turned itself off", name);
		return VM_EXIT_OFF;
	case MACHINE_STOPPED:
		log_info("VM '%s': stopped", name);
		return VM_EXIT_STOPPED;
	default:
		log_error("VM '%s': the guest has crashed", name);
		return VM_EXIT_CRASHED;
	}
}

int main(int argc, char **argv)
{
	static struct vm vm;
	char label[VM_NAME_BYTES + sizeof "VM ''"];
	struct error error;
	int result;

	if (argc != 2 || vm_description_decode(argv[1], &vm.description, &error) < 0) {
		fprintf(stderr, "sluice-vm: is run by 'sluice vm run', with a description%s%s\n",
			argc == 2 ? ": " : "", argc == 2 ? error.message : "");
		return VM_EXIT_USAGE;
	}
	snprintf(label, sizeof label, "VM '%s'", vm.description.name);
	log_bound(label);
	result = prepare(&vm, &error);
	if (result == 0)
		result = run(&vm, &error);
	log_bound(NULL); /* why it has ended is said in any case */
	if (result >= 0)
		return exit_status(vm.description.name, result);
	log_error("VM '%s': %s", vm.description.name, error.message);
	return VM_EXIT_FAILED;
}
