/* A region's doorbell, and the machine that rings it. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "played_machine.h"

/* ---- what a machine is told ---- */

static void machine_is_told_as_by_an_ivshmem_server(void **state)
{
	int socket = connect_machine(), memory, doorbell;
	struct stat of_memory, of_region;

	expect_welcome(socket, &memory, &doorbell);
	expect_silence(socket);
	assert_int_equal(fstat(memory, &of_memory), 0);
	assert_int_equal(stat(host.region_path, &of_region), 0);
	assert_int_equal(of_memory.st_ino, of_region.st_ino);
	assert_int_equal(eventfd_write(doorbell, 1), 0);
	close(memory);
	close(doorbell);
	close(socket);
}

static void second_machine_is_sent_away_and_the_first_stays(void **state)
{
	struct channel_connection *connection;
	int second;

	plug_in();
	second = connect_machine();
	assert_true(is_hung_up(second));
	close(second);
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void machine_that_says_something_is_hung_up_on(void **state)
{
	int memory, doorbell;
	int socket = connect_machine();

	expect_welcome(socket, &memory, &doorbell);
	assert_int_equal(write(socket, "hello", 5), 5);
	assert_true(is_hung_up(socket));
	close(socket);
	close(memory);
	close(doorbell);
	plug_in();
	pull_out();
}

static void machines_come_and_go_and_leave_nothing(void **state)
{
	unsigned before = open_descriptors();

	for (unsigned i = 0; i < 50; i++)
		close(connect_machine());
	for (unsigned i = 0; i < 20; i++) {
		plug_in();
		pull_out();
	}
	ASSERT_OPEN_DESCRIPTORS(before);
}

static void host_that_ends_hangs_up(void **state)
{
	plug_in();
	echo_host_stop(&host);
	assert_true(is_hung_up(machine.socket));
	pull_out();
	echo_host_start(&host);
	plug_in();
	pull_out();
}

/* ---- ringing ---- */

static void parked_host_is_rung(void **state)
{
	struct channel_connection *connection;
	struct channel_counters counters;

	plug_in();
	open_channel();
	connection = join();
	for (unsigned i = 0; i < 20; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	channel_counters(channel, &counters);
	assert_true(counters.doorbells > 0);
	assert_true(rung() > 0);
	assert_int_equal(__atomic_load_n(&machine.last_value, __ATOMIC_RELAXED), HOST << 16);
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

/* A timer that looked each millisecond would make that hundreds. */
static void host_with_a_doorbell_sleeps_until_it_is_rung(void **state)
{
	struct channel_connection *connection;
	uint64_t before;

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	usleep(20000);
	before = sleeps();
	usleep(500000);
	assert_in_range(sleeps() - before, 0, 10);
	expect_echo(connection);
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void client_that_cannot_ring_is_answered_all_the_same(void **state)
{
	struct channel_connection *connection;
	char path[PATH_MAX + 64];

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	channel_disconnect(connection);
	channel_close(channel);
	snprintf(path, sizeof path, "%s/%s/resource0", host.directory, ECHO_PCI_ADDRESS);
	assert_int_equal(unlink(path), 0);
	open_channel();
	connection = join();
	assert_true(eventually(is_doubted));
	for (unsigned i = 0; i < 20; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void connection_outlives_the_doorbell(void **state)
{
	struct channel_connection *connection;

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	pull_out();
	assert_true(eventually(is_doubted));
	for (unsigned i = 0; i < 5; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	plug_in();
	for (unsigned i = 0; i < 50 && is_doubted(); i++) {
		usleep(5000);
		expect_echo(connection);
	}
	assert_true(is_trusted());
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void client_goes_on_when_the_memory_is_another(void **state)
{
	struct channel_connection *connection;

	open_channel();
	echo_host_stop(&host);
	memset(channel_region_header(&channel->device), 0, sizeof(struct sluice_channel_header));
	echo_host_start(&host);
	connection = join();
	expect_echo(connection);
	channel_disconnect(connection);
	channel_close(channel);
}

/* A guest that does nothing but ring; the host is busy with it, and with others. */
static void storm_of_rings_keeps_nobody_from_being_answered(void **state)
{
	struct channel_connection *connection;

	plug_in();
	open_channel();
	connection = join();
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 0; k < 50; k++)
			eventfd_write(machine.doorbell, 1);
		expect_echo(connection);
	}
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(machine_is_told_as_by_an_ivshmem_server),
		TEST(second_machine_is_sent_away_and_the_first_stays),
		TEST(machine_that_says_something_is_hung_up_on),
		TEST(machines_come_and_go_and_leave_nothing),
		TEST(host_that_ends_hangs_up),
		TEST(parked_host_is_rung),
		TEST(host_with_a_doorbell_sleeps_until_it_is_rung),
		TEST(client_that_cannot_ring_is_answered_all_the_same),
		TEST(connection_outlives_the_doorbell),
		TEST(client_goes_on_when_the_memory_is_another),
		TEST(storm_of_rings_keeps_nobody_from_being_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
