/* A module's memory as a guest meets it on its bus, with a module that is played, and comes and goes. */
#include "../cmocka_all.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "base/counter.h"
#include "virtio_driver.h"
#include "vmm/pci/ivshmem_device.h"

#define SLOT 1u
#define MEMORY_BYTES (1u << 20)
#define REGISTERS(offset) (bar_of(PCI_BASE_ADDRESS_0) + (offset))

static struct guest guest;
static struct ivshmem_device *device;
static struct ivshmem_device_config config;
static struct error error;

/* The module: who connects is told where the memory is. */
static struct {
	char directory[32];
	int listen_fd, memory_fd, doorbell_fd;
	uint8_t *memory;
	pthread_t thread;
	int machine; /* the thread's; the last that has connected */
} module;

/* ---- the module ---- */

static void say(int socket, int64_t number, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof fd)];
		struct cmsghdr header;
	} control = {.header = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {&number, sizeof number};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		header.msg_control = &control;
		header.msg_controllen = sizeof control;
	}
	if (sendmsg(socket, &header, MSG_NOSIGNAL) < 0)
		return;
}

static void *serve(void *argument)
{
	int socket;

	while ((socket = accept(module.listen_fd, NULL, NULL)) >= 0) {
		say(socket, 0, -1);
		say(socket, 2, -1);
		say(socket, -1, module.memory_fd);
		say(socket, 1, module.doorbell_fd);
		if (module.machine >= 0)
			close(module.machine);
		module.machine = socket;
	}
	return NULL;
}

static void make_memory(size_t bytes)
{
	module.memory_fd = memfd_create("region", MFD_CLOEXEC);
	assert_int_equal(ftruncate(module.memory_fd, (off_t)bytes), 0);
	module.memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, module.memory_fd, 0);
}

static void drop_memory(void)
{
	munmap(module.memory, MEMORY_BYTES);
	close(module.memory_fd);
}

static void start_module(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof address.sun_path, "%s", config.socket_path);
	module.machine = -1;
	module.doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	module.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(module.listen_fd, (const void *)&address, sizeof address), 0);
	assert_int_equal(listen(module.listen_fd, 8), 0);
	assert_int_equal(pthread_create(&module.thread, NULL, serve, NULL), 0);
}

static void stop_module(void)
{
	shutdown(module.listen_fd, SHUT_RDWR);
	pthread_join(module.thread, NULL);
	close(module.listen_fd);
	if (module.machine >= 0)
		close(module.machine);
	close(module.doorbell_fd);
	unlink(config.socket_path);
}

static bool is_rung(void)
{
	eventfd_t value;

	return eventfd_read(module.doorbell_fd, &value) == 0;
}

/* ---- the guest ---- */

static uint32_t bar_of(unsigned offset)
{
	return guest_config_read(&guest, SLOT, offset, 4);
}

static void set_decoding(bool is_on)
{
	guest_config_write(&guest, SLOT, PCI_COMMAND, 2, is_on ? PCI_COMMAND_MEMORY : 0);
}

static int set_up(void **state)
{
	guest_create(&guest);
	snprintf(module.directory, sizeof module.directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(module.directory));
	config = (struct ivshmem_device_config){.name = "echo"};
	snprintf(config.socket_path, sizeof config.socket_path, "%s/echo", module.directory);
	make_memory(MEMORY_BYTES);
	start_module();
	return 0;
}

static int tear_down(void **state)
{
	stop_module();
	drop_memory();
	rmdir(module.directory);
	guest_destroy(&guest);
	return 0;
}

static int create(void)
{
	const struct ivshmem_device_place place = {.vm_fd = -1, .memory_slot = 3, .bus = guest.bus};

	return ivshmem_device_create(&config, &place, &device, &error);
}

static int set_up_device(void **state)
{
	set_up(state);
	assert_int_equal(create(), 0);
	set_decoding(true);
	return 0;
}

static int tear_down_device(void **state)
{
	ivshmem_device_destroy(device);
	assert_int_equal(kvm_double.doorbell_count, 0);
	assert_int_equal(kvm_double.memory[3].bytes, 0);
	return tear_down(state);
}

static struct ivshmem_device_statistics statistics(void)
{
	struct ivshmem_device_statistics statistics;

	ivshmem_device_statistics(device, &statistics);
	return statistics;
}

static void wait_for_reconnects(uint64_t count)
{
	for (unsigned i = 0; i < 20000 && statistics().reconnects < count; i++)
		usleep(1000);
	assert_int_equal(statistics().reconnects, count);
	assert_true(statistics().is_connected);
}

static void wait_for_loss(void)
{
	for (unsigned i = 0; i < 20000 && statistics().is_connected; i++)
		usleep(1000);
	assert_false(statistics().is_connected);
}

/* ---- on the bus ---- */

static void it_looks_as_in_qemu(void **state)
{
	assert_int_equal(guest_config_read(&guest, SLOT, PCI_VENDOR_ID, 4), 0x11101af4);
	assert_int_equal(guest_config_read(&guest, SLOT, PCI_CLASS_REVISION, 4), 0x05000001);
	assert_int_equal(guest_config_read(&guest, SLOT, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x11001af4);
	assert_int_equal(guest_read(&guest, REGISTERS(IVSHMEM_DEVICE_NUMBER_AT), 4), 2);
	for (unsigned offset = 0; offset < IVSHMEM_DEVICE_REGISTER_BYTES; offset += 4)
		if (offset != IVSHMEM_DEVICE_NUMBER_AT)
			assert_int_equal(guest_read(&guest, REGISTERS(offset), 4), 0);
}

static void bar_2_has_the_size_of_the_memory(void **state)
{
	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_2, 4, UINT32_MAX);
	assert_int_equal(bar_of(PCI_BASE_ADDRESS_2), ~(MEMORY_BYTES - 1));
	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_0, 4, UINT32_MAX);
	assert_int_equal(bar_of(PCI_BASE_ADDRESS_0), ~(IVSHMEM_DEVICE_BAR_0_BYTES - 1));
	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	assert_int_equal(bar_of(PCI_BASE_ADDRESS_1), 0);
}

static void the_memory_is_where_the_guest_wants_it(void **state)
{
	const uint64_t address = bar_of(PCI_BASE_ADDRESS_2);

	module.memory[5] = 42;
	assert_int_equal(kvm_double_memory(address)[5], 42);
	assert_true(statistics().is_mapped);
	set_decoding(false);
	assert_null(kvm_double_memory(address));
	assert_false(statistics().is_mapped);
	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_2, 4, 0xd0000000);
	set_decoding(true);
	assert_int_equal(kvm_double_memory(0xd0000000)[5], 42);
}

static void memory_that_is_set_upon_registers_is_nowhere(void **state)
{
	const uint32_t registers = bar_of(PCI_BASE_ADDRESS_0);

	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_2, 4, registers);
	assert_null(kvm_double_memory(registers));
	assert_int_equal(guest_read(&guest, registers + IVSHMEM_DEVICE_NUMBER_AT, 4), 2);
}

static void ringing_is_no_exit(void **state)
{
	assert_false(is_rung());
	assert_true(kvm_double_write(REGISTERS(IVSHMEM_DEVICE_DOORBELL_AT)));
	assert_true(is_rung());
	set_decoding(false);
	assert_int_equal(kvm_double.doorbell_count, 0);
}

static void a_doorbell_that_kvm_does_not_take_rings_all_the_same(void **state)
{
	set_decoding(false);
	kvm_double.failure = -ENOSPC;
	set_decoding(true);
	kvm_double.failure = 0;
	guest_write(&guest, REGISTERS(IVSHMEM_DEVICE_DOORBELL_AT), 4, 1 << 16);
	assert_true(is_rung());
	guest_write(&guest, REGISTERS(0), 4, UINT32_MAX);
	assert_false(is_rung());
}

/* ---- modules that come and go ---- */

static void a_module_that_comes_back_is_rung_again(void **state)
{
	for (unsigned i = 1; i <= 3; i++) {
		stop_module();
		wait_for_loss();
		/* Its eventfd is nobody's, and what it has said last is there still. */
		assert_true(kvm_double_write(REGISTERS(IVSHMEM_DEVICE_DOORBELL_AT)));
		assert_ptr_not_equal(kvm_double_memory(bar_of(PCI_BASE_ADDRESS_2)), NULL);
		start_module();
		wait_for_reconnects(i);
		assert_true(kvm_double_write(REGISTERS(IVSHMEM_DEVICE_DOORBELL_AT)));
		assert_true(is_rung());
	}
}

static void other_memory_takes_the_place_of_the_old(void **state)
{
	stop_module();
	drop_memory();
	wait_for_loss();
	make_memory(MEMORY_BYTES);
	module.memory[7] = 99;
	start_module();
	wait_for_reconnects(1);
	assert_int_equal(kvm_double_memory(bar_of(PCI_BASE_ADDRESS_2))[7], 99);
}

static void memory_of_another_size_is_refused(void **state)
{
	stop_module();
	drop_memory();
	wait_for_loss();
	make_memory(2 * MEMORY_BYTES);
	start_module();
	usleep(200000);
	assert_false(statistics().is_connected);
	stop_module();
	munmap(module.memory, 2 * MEMORY_BYTES);
	close(module.memory_fd);
	make_memory(MEMORY_BYTES);
	start_module();
	wait_for_reconnects(1);
}

static void the_guest_moves_it_while_the_module_is_away(void **state)
{
	stop_module();
	wait_for_loss();
	set_decoding(false);
	guest_config_write(&guest, SLOT, PCI_BASE_ADDRESS_0, 4, 0xe0000000);
	set_decoding(true);
	start_module();
	wait_for_reconnects(1);
	assert_true(kvm_double_write(0xe0000000 + IVSHMEM_DEVICE_DOORBELL_AT));
	assert_true(is_rung());
}

/* ---- what there cannot be ---- */

static void nobody_who_listens_is_said_with_the_mend(void **state)
{
	stop_module();
	assert_int_equal(create(), -ENOENT);
	assert_non_null(strstr(error.message, "module 'echo': nobody listens on"));
	assert_non_null(strstr(error.message, "'region'"));
	start_module();
}

static void memory_that_is_no_bar_is_refused(void **state)
{
	assert_int_equal(ftruncate(module.memory_fd, 3 * 4096), 0);
	assert_int_equal(create(), -EINVAL);
	assert_int_equal(ftruncate(module.memory_fd, 2048), 0);
	assert_int_equal(create(), -EINVAL);
	assert_int_equal(ftruncate(module.memory_fd, MEMORY_BYTES), 0);
}

static void nothing_is_left_of_it(void **state)
{
	unsigned before;

	assert_int_equal(create(), 0);
	ivshmem_device_destroy(device);
	before = open_descriptors();
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(create(), 0);
		set_decoding(true);
		ivshmem_device_destroy(device);
	}
	ASSERT_OPEN_DESCRIPTORS(before);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up_device, tear_down_device)
#define WITHOUT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_looks_as_in_qemu),
		TEST(bar_2_has_the_size_of_the_memory),
		TEST(the_memory_is_where_the_guest_wants_it),
		TEST(memory_that_is_set_upon_registers_is_nowhere),
		TEST(ringing_is_no_exit),
		TEST(a_doorbell_that_kvm_does_not_take_rings_all_the_same),
		TEST(a_module_that_comes_back_is_rung_again),
		TEST(other_memory_takes_the_place_of_the_old),
		TEST(memory_of_another_size_is_refused),
		TEST(the_guest_moves_it_while_the_module_is_away),
		WITHOUT(nobody_who_listens_is_said_with_the_mend),
		WITHOUT(memory_that_is_no_bar_is_refused),
		WITHOUT(nothing_is_left_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
