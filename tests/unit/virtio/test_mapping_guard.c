/*
 * Each case in a child of its own: cmocka catches SIGBUS itself before each test, and the guard is
 * installed once per process.
 */
#include "ring_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGE 4096u

static struct ring_pair pair;
static struct descriptor_chain chains[1];

/* The status of a child that does this. Sanitizers must leave its SIGBUS alone. */
static int run(void (*body)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		const struct rlimit no_core = {0};

		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGBUS, SIG_DFL);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void require(bool condition)
{
	if (!condition)
		_exit(1);
}

static int file_of(size_t size_bytes)
{
	int fd = memfd_create("guarded", 0);

	require(ftruncate(fd, (off_t)size_bytes) == 0);
	return fd;
}

static void truncate_under_a_queue(void)
{
	pair_open(&pair, 16, false, false, false);
	pair_attach(&pair);
	require(!guest_memory_is_lost(&pair.guest));
	require(ftruncate(pair.fd, 0) == 0);
	require(virtqueue_pop(&pair.device, &chains[0]) == 0);
	require(guest_memory_is_lost(&pair.guest));
	virtqueue_enable_kicks(&pair.device);
	guest_memory_clear(&pair.guest);
}

static void truncated_memory_is_lost_and_nobody_dies(void **state)
{
	assert_int_equal(run(truncate_under_a_queue), 0);
}

static void truncate_one_of_two(void)
{
	struct guarded_mapping *lost, *kept;
	int fd = file_of(3 * PAGE), other = file_of(3 * PAGE);
	volatile uint8_t *bytes;

	require(mapping_guard_map(fd, 0, 3 * PAGE, &lost) == 0);
	require(mapping_guard_map(other, PAGE, 2 * PAGE, &kept) == 0);
	*(volatile uint8_t *)kept->start = 7;
	require(ftruncate(fd, PAGE) == 0);
	bytes = (volatile uint8_t *)lost->start;
	require(bytes[0] == 0 && !lost->is_lost);
	bytes[3 * PAGE - 1] = 5;
	require(lost->is_lost && bytes[3 * PAGE - 1] == 5);
	require(!kept->is_lost && *(volatile uint8_t *)kept->start == 7);
	mapping_guard_unmap(lost);
	mapping_guard_unmap(kept);
}

static void only_the_truncated_mapping_is_lost(void **state)
{
	assert_int_equal(run(truncate_one_of_two), 0);
}

static void map_after_a_loss(void)
{
	struct guarded_mapping *mapping;
	int fd = file_of(PAGE);

	require(mapping_guard_map(fd, 0, PAGE, &mapping) == 0);
	require(ftruncate(fd, 0) == 0);
	require(*(volatile uint8_t *)mapping->start == 0 && mapping->is_lost);
	mapping_guard_unmap(mapping);
	require(ftruncate(fd, PAGE) == 0);
	require(mapping_guard_map(fd, 0, PAGE, &mapping) == 0);
	require(!mapping->is_lost);
	mapping_guard_unmap(mapping);
}

static void a_loss_is_forgotten_with_its_mapping(void **state)
{
	assert_int_equal(run(map_after_a_loss), 0);
}

static void fault_elsewhere(void)
{
	struct guarded_mapping *mapping;
	int fd = file_of(PAGE);
	volatile uint8_t *bytes =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file_of(0), 0);

	require(mapping_guard_map(fd, 0, PAGE, &mapping) == 0);
	bytes[0] = 1;
}

static void a_bus_error_elsewhere_ends_the_process(void **state)
{
	int status = run(fault_elsewhere);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

static void map_what_cannot_be(void)
{
	struct guarded_mapping *mapping;

	require(mapping_guard_map(-1, 0, PAGE, &mapping) == -EBADF);
	require(mapping_guard_map(file_of(PAGE), 1, PAGE, &mapping) == -EINVAL);
	require(mapping_guard_map(file_of(PAGE), 0, 0, &mapping) == -EINVAL);
}

static void impossible_mappings_are_refused(void **state)
{
	assert_int_equal(run(map_what_cannot_be), 0);
}

/* procfs for FUSE, which takes a process to serve it. */
static void map_what_another_process_may_serve(void)
{
	struct guarded_mapping *mapping;
	int fd = open("/proc/self/comm", O_RDWR);

	require(fd >= 0);
	require(mapping_guard_map(fd, 0, PAGE, &mapping) == -EOPNOTSUPP);
}

static void files_that_another_process_may_serve_are_refused(void **state)
{
	assert_int_equal(run(map_what_another_process_may_serve), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_memory_is_lost_and_nobody_dies),
		cmocka_unit_test(only_the_truncated_mapping_is_lost),
		cmocka_unit_test(a_loss_is_forgotten_with_its_mapping),
		cmocka_unit_test(a_bus_error_elsewhere_ends_the_process),
		cmocka_unit_test(impossible_mappings_are_refused),
		cmocka_unit_test(files_that_another_process_may_serve_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
