/*
 * What calls of the C library cost at the gate: this program exports the functions that ask, and is module and sluiced in one, but
 * where it forks.
 */
#include "../disk/gate_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "offload/gate/gated_file.h"

#define BLOCK 4096u
#define LIMITED_READS 24u

static struct gate_client client;
static struct gate_end *end;
static int fd;
static char path[64];
static char *buffer; /* a MiB, aligned */

static void begin(const struct slo *slo, int flags)
{
	int wake[GATE_SLOTS];

	start_pool("null");
	end = add_gate(0, slo);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		wake[i] = fcntl(end->descriptors.wake[i], F_DUPFD_CLOEXEC, 0);
	assert_int_equal(
		gate_client_open(&client, fcntl(end->descriptors.region, F_DUPFD_CLOEXEC, 0),
			fcntl(end->descriptors.doorbell, F_DUPFD_CLOEXEC, 0), wake, &error),
		0);
	buffer = aligned_alloc(BLOCK, 1 << 20);
	memset(buffer, 'x', 1 << 20);
	snprintf(path, sizeof path, "/var/tmp/test_gated_calls.%d", getpid());
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
	assert_true(fd >= 0);
}

static void ask_from_now_on(void)
{
	gated_file_set_gate(&client);
}

static int finish(void **state)
{
	gated_file_set_gate(NULL);
	close(fd);
	unlink(path);
	free(buffer);
	gate_client_close(&client);
	return stop_pool(state);
}

static struct gate_statistics cost(void)
{
	while (statistics_of(end).in_flight)
		usleep(100);
	return statistics_of(end);
}

static void assert_cost(uint64_t reads, uint64_t writes, uint64_t flushes)
{
	struct gate_statistics statistics = cost();

	assert_int_equal(statistics.reads, reads);
	assert_int_equal(statistics.writes, writes);
	assert_int_equal(statistics.flushes, flushes);
}

/* ---- what costs what ---- */

static void without_a_gate_calls_go_ahead(void **state)
{
	begin(&best_effort, 0);
	assert_int_equal(pwrite(fd, buffer, 10, 0), 10);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(pread(fd, buffer, 20, 0), 10);
	assert_cost(0, 0, 0);
}

static void direct_transfers_are_asked_for(void **state)
{
	begin(&best_effort, O_DIRECT);
	ask_from_now_on();
	assert_int_equal(pwrite(fd, buffer, BLOCK, 0), BLOCK);
	assert_int_equal(pread(fd, buffer, BLOCK, 0), BLOCK);
	assert_cost(1, 1, 0);
	assert_int_equal(cost().read_bytes, BLOCK);
	assert_int_equal(cost().write_bytes, BLOCK);
}

static void large_transfers_are_cut_at_the_largest_request(void **state)
{
	begin(&best_effort, O_DIRECT);
	ask_from_now_on();
	assert_int_equal(pwrite(fd, buffer, 1 << 20, 0), 1 << 20);
	memset(buffer, 0, 1 << 20);
	assert_int_equal(pread(fd, buffer, 1 << 20, 0), 1 << 20);
	for (unsigned i = 0; i < 1 << 20; i++)
		assert_int_equal(buffer[i], 'x');
	assert_cost(4, 4, 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
}

static void a_descriptor_that_moves_on_moves_by_all_pieces(void **state)
{
	begin(&best_effort, O_DIRECT);
	ask_from_now_on();
	assert_int_equal(write(fd, buffer, 1 << 20), 1 << 20);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1 << 20);
	assert_int_equal(lseek(fd, 512 << 10, SEEK_SET), 512 << 10);
	assert_int_equal(read(fd, buffer, 1 << 20), 512 << 10);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 1 << 20);
	assert_int_equal(read(fd, buffer, BLOCK), 0);
}

static void sequential_transfers_are_said_to_be(void **state)
{
	begin(&best_effort, O_DIRECT);
	ask_from_now_on();
	assert_int_equal(pwrite(fd, buffer, BLOCK, BLOCK), BLOCK);
	assert_int_equal(end->region->slots[0].is_sequential, 0);
	cost();
	assert_int_equal(pwrite(fd, buffer, BLOCK, 2 * BLOCK), BLOCK);
	assert_int_equal(end->region->slots[0].is_sequential, 1);
}

static void cached_writes_are_paid_for_by_the_flush(void **state)
{
	begin(&best_effort, 0);
	ask_from_now_on();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(write(fd, buffer, 100), 100);
	assert_cost(0, 0, 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_cost(0, 0, 1);
	assert_int_equal(cost().write_bytes, 1000);
	assert_int_equal(fsync(fd), 0);
	assert_cost(0, 0, 2);
	assert_int_equal(cost().write_bytes, 1000);
}

static void much_that_is_written_and_never_flushed_is_paid_for(void **state)
{
	uint64_t most;

	begin(&best_effort, 0);
	ask_from_now_on();
	most = client.region->flush_bytes_max;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(write(fd, buffer, 256 << 10), 256 << 10);
	assert_cost(0, (1 << 20) / most, 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(cost().write_bytes, 1 << 20);
}

static void writing_back_a_range_pays_for_it(void **state)
{
	begin(&best_effort, 0);
	ask_from_now_on();
	assert_int_equal(write(fd, buffer, 10 * BLOCK), 10 * BLOCK);
	assert_int_equal(sync_file_range(fd, 0, 4 * BLOCK, SYNC_FILE_RANGE_WRITE), 0);
	assert_cost(0, 1, 0);
	assert_int_equal(cost().write_bytes, 4 * BLOCK);
	assert_int_equal(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE), 0);
	assert_cost(0, 1, 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(cost().write_bytes, 10 * BLOCK);
}

static void writes_that_are_durable_at_once_are_flushes(void **state)
{
	struct iovec segment;

	begin(&best_effort, O_DSYNC);
	ask_from_now_on();
	assert_int_equal(write(fd, buffer, BLOCK), BLOCK);
	assert_cost(0, 0, 1);
	segment = (struct iovec){buffer, BLOCK};
	assert_int_equal(pwritev2(fd, &segment, 1, 0, RWF_DSYNC), BLOCK);
	assert_cost(0, 0, 2);
}

static void what_is_cached_is_read_for_nothing(void **state)
{
	struct iovec segments[2];

	begin(&best_effort, 0);
	segments[0] = (struct iovec){buffer, BLOCK};
	segments[1] = (struct iovec){buffer + BLOCK, BLOCK};
	assert_int_equal(write(fd, buffer, 4 * BLOCK), 4 * BLOCK);
	ask_from_now_on();
	assert_int_equal(pread(fd, buffer, 2 * BLOCK, 0), 2 * BLOCK);
	assert_int_equal(pread(fd, buffer, 10 * BLOCK, BLOCK), 3 * BLOCK);
	assert_int_equal(pread(fd, buffer, BLOCK, 4 * BLOCK), 0);
	assert_int_equal(preadv(fd, segments, 2, 0), 2 * BLOCK);
	assert_int_equal(lseek(fd, 2 * BLOCK, SEEK_SET), 2 * BLOCK);
	assert_int_equal(read(fd, buffer, 3 * BLOCK), 2 * BLOCK);
	assert_int_equal(read(fd, buffer, BLOCK), 0);
	assert_cost(0, 0, 0);
}

static void much_that_is_cached_is_read_for_nothing(void **state)
{
	struct iovec segments[2];

	begin(&best_effort, 0);
	segments[0] = segments[1] = (struct iovec){buffer, 1 << 20};
	assert_int_equal(writev(fd, segments, 2), 2 << 20);
	ask_from_now_on();
	assert_int_equal(preadv(fd, segments, 2, 0), 2 << 20);
	assert_int_equal(preadv(fd, segments, 2, 10), (2 << 20) - 10);
	assert_cost(0, 0, 0);
}

static void what_is_not_cached_is_a_read(void **state)
{
	struct iovec segments[2];

	begin(&best_effort, 0);
	segments[0] = (struct iovec){buffer, BLOCK};
	segments[1] = (struct iovec){buffer + BLOCK, BLOCK};
	assert_int_equal(write(fd, buffer, 64 * BLOCK), 64 * BLOCK);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(pread(fd, buffer, BLOCK, 0), BLOCK);
	ask_from_now_on();
	memset(buffer, 0, 2 * BLOCK);
	assert_int_equal(pread(fd, buffer, 2 * BLOCK, 0), 2 * BLOCK);
	assert_int_equal(buffer[0], 'x');
	assert_int_equal(buffer[2 * BLOCK - 1], 'x');
	assert_cost(1, 0, 0);
	assert_int_equal(cost().read_bytes, BLOCK);
	assert_int_equal(preadv(fd, segments, 2, BLOCK + 10), 2 * BLOCK);
	assert_cost(2, 0, 0);
	assert_int_equal(cost().read_bytes, 2 * BLOCK + 10);
}

static void reading_ahead_is_reading(void **state)
{
	begin(&best_effort, 0);
	assert_int_equal(write(fd, buffer, 10 * BLOCK), 10 * BLOCK);
	ask_from_now_on();
	assert_int_equal(readahead(fd, 0, 4 * BLOCK), 0);
	assert_int_equal(posix_fadvise(fd, 4 * BLOCK, 0, POSIX_FADV_WILLNEED), 0);
	assert_cost(2, 0, 0);
	assert_int_equal(cost().read_bytes, 10 * BLOCK);
}

static void what_is_no_file_does_not_ask(void **state)
{
	int pipes[2], event = eventfd(3, 0);
	uint64_t count;

	begin(&best_effort, 0);
	ask_from_now_on();
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(write(pipes[1], "abc", 3), 3);
	assert_int_equal(read(pipes[0], buffer, 10), 3);
	assert_int_equal(read(event, &count, sizeof count), sizeof count);
	assert_cost(0, 0, 0);
	close(pipes[0]);
	close(pipes[1]);
	close(event);
}

static void errors_are_those_of_the_kernel(void **state)
{
	begin(&best_effort, 0);
	ask_from_now_on();
	assert_int_equal(pread(-1, buffer, 1, 0), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pread(fd, buffer, 1, -1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fdatasync(-1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(posix_fadvise(-1, 0, 0, POSIX_FADV_WILLNEED), EBADF);
	assert_int_equal(readahead(-1, 0, 1), -1);
	assert_int_equal(errno, EBADF);
	assert_cost(0, 0, 0);
}

/* ---- a program that is held to a limit ---- */

/* As its first word says, it does what a small database would: reads, and makes a write durable. */
static void small_program(void)
{
	ask_from_now_on();
	for (unsigned i = 0; i < LIMITED_READS; i++)
		if (pread(fd, buffer, BLOCK, i % 4 * BLOCK) != BLOCK)
			_exit(1);
	if (pwrite(fd, buffer, BLOCK, 0) != BLOCK || fdatasync(fd) < 0)
		_exit(2);
	_exit(0);
}

/* The scheduler lets four go at once, and one more every twentieth of a second: the rest takes that long, by its clock, or longer. */
static void a_program_is_held_to_its_limit(void **state)
{
	struct slo slo = best_effort;
	uint64_t start_ns;
	pid_t child;
	int status;

	slo.limit = (struct slo_limit){.operations_per_s = 20, .operations_burst = 4};
	begin(&slo, O_DIRECT);
	assert_int_equal(pwrite(fd, buffer, 4 * BLOCK, 0), 4 * BLOCK);
	start_ns = clock_now_ns();
	child = fork();
	if (child == 0)
		small_program();
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_cost(LIMITED_READS, 1, 1);
	assert_true(clock_now_ns() - start_ns >= (LIMITED_READS + 2 - 4) * NS_PER_S / 20);
}

#define TEST(name) cmocka_unit_test_teardown(name, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_a_gate_calls_go_ahead),
		TEST(direct_transfers_are_asked_for),
		TEST(large_transfers_are_cut_at_the_largest_request),
		TEST(a_descriptor_that_moves_on_moves_by_all_pieces),
		TEST(sequential_transfers_are_said_to_be),
		TEST(cached_writes_are_paid_for_by_the_flush),
		TEST(much_that_is_written_and_never_flushed_is_paid_for),
		TEST(writing_back_a_range_pays_for_it),
		TEST(writes_that_are_durable_at_once_are_flushes),
		TEST(what_is_cached_is_read_for_nothing),
		TEST(much_that_is_cached_is_read_for_nothing),
		TEST(what_is_not_cached_is_a_read),
		TEST(reading_ahead_is_reading),
		TEST(what_is_no_file_does_not_ask),
		TEST(errors_are_those_of_the_kernel),
		TEST(a_program_is_held_to_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
