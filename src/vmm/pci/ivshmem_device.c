#include "vmm/pci/ivshmem_device.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/log_source.h"
#include "channel/module_channel.h"
#include "vmm/kvm_events.h"
#include "vmm/layout.h"
#include "vmm/pci/ivshmem_link.h"

#define NO_FD (-1)
#define THREAD_STACK_BYTES (256u << 10)
#define RECONNECT_FIRST_MS 10
#define RECONNECT_MS_MAX 1000
#define MEMORY_BYTES_MIN 4096u
#define REVISION 1
#define CLASS_MEMORY 0x050000u
#define SUBSYSTEM 0x1100 /* of whatever is emulated */

/* A module's memory, mapped here for KVM alone. */
struct shared_memory {
	uint8_t *host; /* NULL: there is none */
	uint32_t bytes;
	dev_t file_system; /* with `file`: which file it is */
	ino_t file;
};

struct ivshmem_device {
	struct ivshmem_device_config config;
	struct ivshmem_device_place place;
	char label[IVSHMEM_DEVICE_NAME_BYTES + 16];
	struct pci_function function;
	bool is_on_bus;

	/* Of what the guest reaches: its exits' handler and the device's thread change it. */
	pthread_mutex_t lock;
	struct shared_memory memory;
	int doorbell_fd;
	uint16_t number;
	uint64_t registers_address, memory_address; /* 0: nowhere */
	struct log_source kvm_log;

	/* The thread's; before it starts, the creator's. */
	int socket;
	struct log_source log;
	bool is_refusal_logged;
	int reconnect_ms;
	pthread_t thread;
	bool has_thread;
	int wake_fd;	  /* to stop it */
	bool is_stopping; /* atomic */

	/* Atomic, for statistics. */
	bool is_connected;
	uint64_t reconnects;
};

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* ---- what KVM has; under the lock ---- */

static int set_doorbell(const struct ivshmem_device *device, bool is_assigned)
{
	if (!device->registers_address || device->doorbell_fd < 0)
		return 0;
	return kvm_events_set_doorbell(device->place.vm_fd, device->doorbell_fd,
		device->registers_address + IVSHMEM_DEVICE_DOORBELL_AT, is_assigned);
}

static int set_memory(const struct ivshmem_device *device, bool is_there)
{
	const struct shared_memory *memory = &device->memory;

	if (!device->memory_address || !memory->host)
		return 0;
	return kvm_events_set_memory(device->place.vm_fd, device->place.memory_slot,
		device->memory_address, is_there ? memory->bytes : 0, memory->host);
}

/* Without either the guest's client finds that there is nobody, or is noticed later. */
static void log_failure(struct ivshmem_device *device, const char *what, int result)
{
	if (result < 0)
		log_from(&device->kvm_log, LOG_LEVEL_WARNING, "KVM does not take its %s: %s", what,
			strerror(-result));
}

/* ---- the guest's side ---- */

static void mapped(void *argument, enum pci_bar_index bar, uint64_t address)
{
	struct ivshmem_device *device = argument;

	pthread_mutex_lock(&device->lock);
	if (bar == PCI_BAR_0) {
		device->registers_address = address;
		log_failure(device, "doorbell", set_doorbell(device, true));
	} else {
		device->memory_address = address;
		log_failure(device, "memory", set_memory(device, true));
	}
	pthread_mutex_unlock(&device->lock);
}

static void unmapped(void *argument, enum pci_bar_index bar, uint64_t address)
{
	struct ivshmem_device *device = argument;

	pthread_mutex_lock(&device->lock);
	if (bar == PCI_BAR_0) {
		(void)set_doorbell(device, false);
		device->registers_address = 0;
	} else {
		(void)set_memory(device, false);
		device->memory_address = 0;
	}
	pthread_mutex_unlock(&device->lock);
}

static const struct pci_function_operations operations = {.mapped = mapped, .unmapped = unmapped};

static uint64_t read_register(void *argument, uint64_t offset, unsigned size_bytes)
{
	struct ivshmem_device *device = argument;
	uint64_t number;

	pthread_mutex_lock(&device->lock);
	number = device->number;
	pthread_mutex_unlock(&device->lock);
	return offset == IVSHMEM_DEVICE_NUMBER_AT && size_bytes == 4 ? number : 0;
}

/* A doorbell comes here only if KVM has not taken it. */
static void write_register(void *argument, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct ivshmem_device *device = argument;

	pthread_mutex_lock(&device->lock);
	if (offset == IVSHMEM_DEVICE_DOORBELL_AT && device->doorbell_fd >= 0)
		eventfd_write(device->doorbell_fd, 1);
	pthread_mutex_unlock(&device->lock);
}

static void init_function(struct ivshmem_device *device)
{
	const struct pci_identity identity = {.vendor = SLUICE_CHANNEL_PCI_VENDOR,
		.device = SLUICE_CHANNEL_PCI_DEVICE,
		.class_code = CLASS_MEMORY,
		.revision = REVISION,
		.subsystem_vendor = SLUICE_CHANNEL_PCI_VENDOR,
		.subsystem = SUBSYSTEM};
	const struct register_range registers = {.kind = REGISTER_IVSHMEM,
		.size_bytes = IVSHMEM_DEVICE_REGISTER_BYTES,
		.read = read_register,
		.write = write_register,
		.device = device};
	/* Where there is memory, KVM never asks; nobody else's registers come there. */
	const struct register_range memory = {
		.kind = REGISTER_IVSHMEM_MEMORY, .size_bytes = device->memory.bytes};

	pci_function_init(&device->function, &identity, &operations, device);
	pci_function_add_bar(&device->function, PCI_BAR_0, IVSHMEM_DEVICE_BAR_0_BYTES);
	pci_function_add_bar(&device->function, PCI_BAR_2, device->memory.bytes);
	pci_function_add_range(&device->function, PCI_BAR_0, &registers, 0);
	pci_function_add_range(&device->function, PCI_BAR_2, &memory, 0);
}

/* ---- the module's side ---- */

static bool is_bar_size(off_t bytes)
{
	return bytes >= MEMORY_BYTES_MIN && (bytes & (bytes - 1)) == 0 &&
	       (uint64_t)bytes <= LAYOUT_PCI_MEMORY_END - LAYOUT_PCI_MEMORY_START;
}

/* Nobody here reads or writes it, so a file that shrinks ends the guest that does, and not this process. */
static int map_memory(int fd, struct shared_memory *memory, struct error *error)
{
	struct stat status;
	void *host;

	if (fstat(fd, &status) < 0)
		return error_set(error, -errno, "its memory: %s", strerror(errno));
	if (!is_bar_size(status.st_size))
		return error_set(error, -EINVAL,
			"its memory has %lld bytes, which is no device's: a power of two, and "
			"less than 1 GiB",
			(long long)status.st_size);
	host = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (host == MAP_FAILED)
		return error_set(error, -errno, "its memory cannot be mapped: %s", strerror(errno));
	/* A core dump of the VMM is about the VMM. */
	(void)madvise(host, (size_t)status.st_size, MADV_DONTDUMP);
	*memory = (struct shared_memory){
		host, (uint32_t)status.st_size, status.st_dev, status.st_ino};
	return 0;
}

static void unmap_memory(const struct shared_memory *memory)
{
	if (memory->host)
		munmap(memory->host, memory->bytes);
}

static bool is_same_file(const struct shared_memory *one, const struct shared_memory *other)
{
	return one->file_system == other->file_system && one->file == other->file;
}

/* The old memory leaves the guest before the new one comes; an access in between reads as all ones. */
static void take_memory(struct ivshmem_device *device, const struct shared_memory *memory)
{
	if (device->memory.host && is_same_file(&device->memory, memory)) {
		unmap_memory(memory);
		return;
	}
	(void)set_memory(device, false);
	unmap_memory(&device->memory);
	device->memory = *memory;
	log_failure(device, "memory", set_memory(device, true));
}

static void take_doorbell(struct ivshmem_device *device, int doorbell_fd)
{
	(void)set_doorbell(device, false);
	close_fd(device->doorbell_fd);
	device->doorbell_fd = doorbell_fd;
	log_failure(device, "doorbell", set_doorbell(device, true));
}

/* The link's descriptors are taken, or closed. */
static int take_link(struct ivshmem_device *device, struct ivshmem_link *link, struct error *error)
{
	struct shared_memory memory = {.host = NULL};
	int result = map_memory(link->memory_fd, &memory, error);

	if (result == 0 && device->memory.host && memory.bytes != device->memory.bytes) {
		unmap_memory(&memory);
		result = error_set(error, -EINVAL,
			"its memory has another size than the guest was shown; restart the VM");
	}
	if (result < 0) {
		ivshmem_link_close(link);
		return result;
	}
	close(link->memory_fd);
	pthread_mutex_lock(&device->lock);
	device->number = link->number;
	take_memory(device, &memory);
	take_doorbell(device, link->doorbell_fd);
	pthread_mutex_unlock(&device->lock);
	device->socket = link->socket;
	__atomic_store_n(&device->is_connected, true, __ATOMIC_RELAXED);
	return 0;
}

static int connect_module(struct ivshmem_device *device, struct error *error)
{
	struct ivshmem_link link;
	int result = ivshmem_link_connect(&link, device->config.socket_path, error);

	return result < 0 ? result : take_link(device, &link, error);
}

/* ---- the thread ---- */

static bool is_stopping(const struct ivshmem_device *device)
{
	return __atomic_load_n(&device->is_stopping, __ATOMIC_ACQUIRE);
}

static void lose(struct ivshmem_device *device)
{
	close(device->socket);
	device->socket = NO_FD;
	__atomic_store_n(&device->is_connected, false, __ATOMIC_RELAXED);
	log_from(&device->log, LOG_LEVEL_WARNING,
		"the module has gone; connecting to %s again until it is there",
		device->config.socket_path);
}

static void try_to_return(struct ivshmem_device *device)
{
	struct error error;
	int result = connect_module(device, &error);

	if (result == 0) {
		counter_add(&device->reconnects, 1);
		device->is_refusal_logged = false;
		device->reconnect_ms = RECONNECT_FIRST_MS;
		log_from(&device->log, LOG_LEVEL_INFO, "the module is back");
		return;
	}
	/* That nobody is there is what is waited for. */
	if (result != -ENOENT && result != -ECONNREFUSED && !device->is_refusal_logged) {
		log_from(&device->log, LOG_LEVEL_WARNING, "%s", error.message);
		device->is_refusal_logged = true;
	}
	device->reconnect_ms *= 2;
	if (device->reconnect_ms > RECONNECT_MS_MAX)
		device->reconnect_ms = RECONNECT_MS_MAX;
}

/* The module says nothing after its welcome, so whatever comes is its end. */
static void *thread_main(void *argument)
{
	struct ivshmem_device *device = argument;

	pthread_setname_np(pthread_self(), "ivshmem-device");
	while (!is_stopping(device)) {
		struct pollfd events[] = {{.fd = device->wake_fd, .events = POLLIN},
			{.fd = device->socket, .events = POLLIN}};
		const bool is_connected = device->socket >= 0;

		if (poll(events, 2, is_connected ? -1 : device->reconnect_ms) < 0 ||
			is_stopping(device))
			continue;
		if (!is_connected)
			try_to_return(device);
		else if (events[1].revents)
			lose(device);
	}
	return NULL;
}

static int start_thread(struct ivshmem_device *device, struct error *error)
{
	pthread_attr_t attributes;
	int result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	result = -pthread_create(&device->thread, &attributes, thread_main, device);
	pthread_attr_destroy(&attributes);
	if (result < 0)
		return error_set(error, result, "no thread: %s", strerror(-result));
	device->has_thread = true;
	return 0;
}

static void end_thread(struct ivshmem_device *device)
{
	if (!device->has_thread)
		return;
	__atomic_store_n(&device->is_stopping, true, __ATOMIC_RELEASE);
	eventfd_write(device->wake_fd, 1);
	pthread_join(device->thread, NULL);
}

/* ---- set-up ---- */

static int connect_first(struct ivshmem_device *device, struct error *error)
{
	int result = connect_module(device, error);

	if (result == -ENOENT || result == -ECONNREFUSED)
		return error_set(error, result,
			"nobody listens on %s (%s); start sluiced, or give the module a 'region' "
			"in "
			"sluice.yaml",
			device->config.socket_path, strerror(-result));
	return result;
}

static int open_device(struct ivshmem_device *device, struct error *error)
{
	int result = connect_first(device, error);

	if (result < 0)
		return result;
	device->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->wake_fd < 0)
		return error_set(error, -errno, "no eventfd: %s", strerror(errno));
	init_function(device);
	result = pci_bus_add(device->place.bus, &device->function, error);
	device->is_on_bus = result == 0;
	return result < 0 ? result : start_thread(device, error);
}

int ivshmem_device_create(const struct ivshmem_device_config *config,
	const struct ivshmem_device_place *place, struct ivshmem_device **device,
	struct error *error)
{
	struct ivshmem_device *new_one = calloc(1, sizeof *new_one);
	int result;

	if (!new_one)
		return error_set(error, -ENOMEM, "module '%s': no memory for it", config->name);
	new_one->config = *config;
	new_one->place = *place;
	snprintf(new_one->label, sizeof new_one->label, "module '%s'", config->name);
	new_one->log.name = new_one->kvm_log.name = new_one->label;
	new_one->reconnect_ms = RECONNECT_FIRST_MS;
	new_one->socket = new_one->doorbell_fd = new_one->wake_fd = NO_FD;
	pthread_mutex_init(&new_one->lock, NULL);
	result = open_device(new_one, error);
	if (result < 0) {
		error_prefix(error, result, "%s: ", new_one->label);
		ivshmem_device_destroy(new_one);
		return result;
	}
	*device = new_one;
	return 0;
}

void ivshmem_device_destroy(struct ivshmem_device *device)
{
	end_thread(device);
	if (device->is_on_bus)
		pci_bus_remove(device->place.bus, &device->function);
	unmap_memory(&device->memory);
	close_fd(device->socket);
	close_fd(device->doorbell_fd);
	close_fd(device->wake_fd);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

/* ---- what others may know ---- */

void ivshmem_device_statistics(
	struct ivshmem_device *device, struct ivshmem_device_statistics *statistics)
{
	*statistics = (struct ivshmem_device_statistics){
		.is_connected = __atomic_load_n(&device->is_connected, __ATOMIC_RELAXED),
		.reconnects = counter_get(&device->reconnects),
	};
	pthread_mutex_lock(&device->lock);
	statistics->is_mapped = device->memory_address != 0;
	pthread_mutex_unlock(&device->lock);
}

const struct ivshmem_device_config *ivshmem_device_config(const struct ivshmem_device *device)
{
	return &device->config;
}
