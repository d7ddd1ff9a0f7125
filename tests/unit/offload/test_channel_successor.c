/* A machine whose host ends, and is followed by another that has its socket and its doorbell. */
#include "../cmocka_all.h"

#include <unistd.h>

#include "../open_descriptors.h"
#include "played_machine.h"

static struct channel_machine shared;

static bool is_shared(void)
{
	shared = channel_server_share_machine(host.server);
	return shared.socket >= 0;
}

/* The machine has been welcomed a little before it is the host's. */
static struct channel_machine share_machine(void)
{
	assert_true(eventually(is_shared));
	return shared;
}

/* As a process does that leaves them to its successor. */
static void restart_host_with_machine(void)
{
	host.config.machine = share_machine();
	echo_host_stop(&host);
}

static void next_host_has_the_machine_of_the_last(void **state)
{
	struct channel_connection *connection;
	const unsigned before = open_descriptors();

	plug_in();
	open_channel();
	for (unsigned i = 0; i < 3; i++) {
		restart_host_with_machine();
		expect_silence(machine.socket);
		echo_host_start(&host);
		connection = join();
		expect_echo(connection);
		assert_true(eventually(is_trusted));
		channel_disconnect(connection);
	}
	channel_close(channel);
	pull_out();
	ASSERT_OPEN_DESCRIPTORS(before);
}

static void machine_that_has_gone_while_there_was_no_host_is_followed_by_another(void **state)
{
	plug_in();
	restart_host_with_machine();
	pull_out();
	echo_host_start(&host);
	host.config.machine = (struct channel_machine){-1, -1};
	plug_in();
	pull_out();
}

static void machine_is_hung_up_on_whoever_has_copies(void **state)
{
	int memory, doorbell;
	int socket = connect_machine();
	struct channel_machine copies;

	expect_welcome(socket, &memory, &doorbell);
	copies = share_machine();
	assert_int_equal(write(socket, "hello", 5), 5);
	assert_true(is_hung_up(socket));
	close(copies.socket);
	close(copies.doorbell);
	close(socket);
	close(memory);
	close(doorbell);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(next_host_has_the_machine_of_the_last),
		TEST(machine_that_has_gone_while_there_was_no_host_is_followed_by_another),
		TEST(machine_is_hung_up_on_whoever_has_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
