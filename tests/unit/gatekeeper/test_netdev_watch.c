/* The watch on real netdevs, in a network namespace of their own; skipped without the rights. */
#include "../cmocka_all.h"

#include <poll.h>

#include "gatekeeper/netdev/netdev_watch.h"
#include "own_network.h"

static struct netdev_watch *watch;

static void begin(void)
{
	struct error error;

	need_own_network();
	if (netdev_watch_open(&watch, &error) < 0)
		fail_msg("%s", error.message);
}

static bool is_readable(void)
{
	struct pollfd event = {.fd = netdev_watch_fd(watch), .events = POLLIN};

	return poll(&event, 1, 0) == 1;
}

/* The kernel announces a change before the command that made it returns. */
static void assert_announced(const char *command)
{
	netdev_watch_drain(watch);
	assert_true(run(command));
	assert_true(is_readable());
	assert_true(netdev_watch_drain(watch));
}

/* A carrier may be announced a second after it has come. */
static void settle(void)
{
	struct pollfd event = {.fd = netdev_watch_fd(watch), .events = POLLIN};

	while (poll(&event, 1, 1100) == 1)
		netdev_watch_drain(watch);
}

static void nothing_is_announced_by_itself(void **state)
{
	begin();
	settle();
	assert_false(netdev_watch_drain(watch));
	netdev_watch_close(watch);
}

static void a_netdev_that_comes_goes_or_changes_is_announced(void **state)
{
	begin();
	assert_announced("ip link add w0 type veth peer name w1");
	assert_announced("ip link set w0 mtu 1400");
	assert_announced("ip link set w0 name w2");
	assert_announced("ip link del w2");
	assert_announced("ip link add w0 type veth peer name w1");
	netdev_watch_close(watch);
}

static void more_than_the_socket_holds_is_announced(void **state)
{
	begin();
	assert_true(run("for i in $(seq 2000); do echo link set v0 mtu $((1300 + i % 2)); done | "
			"ip -batch -"));
	assert_true(netdev_watch_drain(watch));
	assert_false(is_readable());
	assert_announced("ip link del v0");
	netdev_watch_close(watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_announced_by_itself),
		cmocka_unit_test(a_netdev_that_comes_goes_or_changes_is_announced),
		cmocka_unit_test(more_than_the_socket_holds_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
