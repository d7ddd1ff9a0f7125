/* The agent with real netdevs: vNICs are added, changed and removed, and their netdevs come and go. */
#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/address.h"
#include "base/clock.h"
#include "gatekeeper/agent_status.h"
#include "own_network.h"
#include "state_directory.h"

#define LINK 125000000u

static struct agent *agent;
static struct error error;

/* `u0` is the uplink, with its other end `far`. */
static void need_a_host(void)
{
	need_own_network();
	assert_true(run("ip link add u0 type veth peer name far; ip link set u0 up; ip link set "
			"far up; ip link set lo up"));
}

static void start_at(const struct sockaddr_in6 *listen)
{
	struct agent_config config = {
		.host = "h1",
		.uplink = "u0",
		.link_bytes_per_s = LINK,
		.headroom = 0.05,
		.period_ns = 5 * NS_PER_MS,
		.listen = *listen,
		.state_directory = state_directory,
	};

	if (agent_start(&config, directory_create(), &agent, &error) < 0)
		fail_msg("%s", error.message);
}

static void start(void)
{
	const struct sockaddr_in6 listen = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	start_at(&listen);
}

static struct nic_config config_of(const char *name, const char *netdev)
{
	struct nic_config config = {
		.send_max = UINT64_MAX, .receive = {.max = INFINITY, .weight = 1}};

	snprintf(config.name, sizeof config.name, "%s", name);
	snprintf(config.netdev, sizeof config.netdev, "%s", netdev);
	return config;
}

static void add(const struct nic_config *config)
{
	if (agent_add_nic(agent, config, &error) < 0)
		fail_msg("%s", error.message);
}

static bool is_present(void)
{
	struct agent_status *status;
	bool answer;

	assert_int_equal(agent_status(agent, &status, &error), 0);
	answer = status->nic_count && status->nics[0].is_present;
	agent_status_free(status);
	return answer;
}

static bool has_programs(void)
{
	return run("tc filter show dev v0 ingress | grep -q from_guest && "
		   "tc filter show dev v0 egress | grep -q to_guest");
}

static bool eventually(bool (*is_true)(void), bool wanted)
{
	for (unsigned tries = 0; tries < 500; tries++) {
		if (is_true() == wanted)
			return true;
		usleep(20000);
	}
	return false;
}

static void a_vnic_has_programs_and_classes_until_it_is_removed(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	start();
	config.send_min = LINK / 5;
	add(&config);
	assert_true(has_programs());
	assert_true(run("tc class show dev u0 | grep -q 'rate 200Mbit ceil 1Gbit'"));
	assert_int_equal(agent_remove_nic(agent, "web", &error), 0);
	assert_false(has_programs());
	assert_false(run("tc class show dev u0 | grep -q 'rate 200Mbit'"));
	assert_int_equal(agent_remove_nic(agent, "web", &error), -ENOENT);
	agent_stop(agent, true);
}

static void promises_change_at_once(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	start();
	add(&config);
	config.send_max = LINK / 2;
	config.receive.max = LINK / 4.;
	assert_int_equal(agent_set_nic(agent, &config, &error), 0);
	assert_true(run("tc class show dev u0 | grep -q 'ceil 500Mbit'"));
	assert_true(run("tc class show dev v0 | grep -q 'ceil 250Mbit'"));
	snprintf(config.netdev, sizeof config.netdev, "other");
	assert_int_equal(agent_set_nic(agent, &config, &error), -EINVAL);
	snprintf(config.name, sizeof config.name, "other");
	assert_int_equal(agent_set_nic(agent, &config, &error), -ENOENT);
	agent_stop(agent, true);
}

static void the_uplink_is_no_vnics_netdev(void **state)
{
	struct nic_config config = config_of("web", "u0");

	need_a_host();
	start();
	assert_int_equal(agent_add_nic(agent, &config, &error), -EEXIST);
	assert_true(run("tc qdisc show dev u0 root | grep -q '^qdisc htb'"));
	agent_stop(agent, true);
}

static bool has_received(void)
{
	struct agent_status *status;
	bool answer;

	assert_int_equal(agent_status(agent, &status, &error), 0);
	answer = status->counters.datagrams_received > 0;
	agent_status_free(status);
	return answer;
}

static void the_agents_address_may_come_late(void **state)
{
	struct sockaddr_in6 listen = {.sin6_family = AF_INET6, .sin6_port = htons(5157)};
	int sender;

	assert_true(address_parse("192.0.2.1", &listen.sin6_addr));
	need_a_host();
	start_at(&listen);
	assert_true(run("ip addr add 192.0.2.1/32 dev lo"));
	sender = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(
		sendto(sender, "x", 1, 0, (const struct sockaddr *)&listen, sizeof listen), 1);
	assert_true(eventually(has_received, true));
	close(sender);
	agent_stop(agent, true);
}

static void what_does_not_fit_the_link_is_refused_with_what_is_missing(void **state)
{
	struct nic_config one = config_of("one", "v0"), two = config_of("two", "v1");

	need_a_host();
	start();
	one.receive.min = two.receive.min = 0.6 * LINK;
	add(&one);
	assert_int_equal(agent_add_nic(agent, &two, &error), -ENOSPC);
	assert_string_equal(error.message, "vNIC 'two': the 'min' of all 'receive' add up to 1200 "
					   "Mbit, and the link has 950 to "
					   "give; lower them by 250 Mbit");
	two.receive.min = 0.3 * LINK;
	add(&two);
	one.receive.min = 0.7 * LINK;
	assert_int_equal(agent_set_nic(agent, &one, &error), -ENOSPC);
	agent_stop(agent, true);
}

static void names_netdevs_and_addresses_are_one_vnics(void **state)
{
	struct nic_config one = config_of("one", "v0"), two = config_of("two", "v1");

	need_a_host();
	start();
	one.addresses[0] = two.addresses[0] = (struct in6_addr){.s6_addr = {0xfd}};
	one.address_count = 1;
	add(&one);
	assert_int_equal(agent_add_nic(agent, &one, &error), -EEXIST);
	snprintf(two.netdev, sizeof two.netdev, "v0");
	assert_int_equal(agent_add_nic(agent, &two, &error), -EEXIST);
	snprintf(two.netdev, sizeof two.netdev, "v1");
	two.address_count = 1;
	assert_int_equal(agent_add_nic(agent, &two, &error), -EEXIST);
	assert_string_equal(
		error.message, "vNIC 'two': vNIC 'one' has one of its addresses already");
	agent_stop(agent, true);
}

static void a_netdev_may_come_late_go_and_come_back(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	assert_true(run("ip link del v0"));
	start();
	add(&config);
	assert_false(is_present());
	for (unsigned i = 0; i < 3; i++) {
		assert_true(run("ip link add v0 type veth peer name v1"));
		assert_true(eventually(is_present, true));
		assert_true(has_programs());
		assert_true(run("ip link del v0"));
		assert_true(eventually(is_present, false));
	}
	agent_stop(agent, true);
}

static void the_uplink_may_come_late_go_and_come_back(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	assert_true(run("ip link del u0"));
	start();
	config.send_min = LINK / 5;
	add(&config);
	assert_false(is_present());
	for (unsigned i = 0; i < 2; i++) {
		assert_true(run("ip link add u0 type veth peer name far"));
		assert_true(eventually(is_present, true));
		assert_true(run("tc class show dev u0 | grep -q 'rate 200Mbit'"));
		assert_true(run("ip link del u0"));
		assert_true(eventually(is_present, false));
		assert_true(has_programs()); /* what is in force stays so */
	}
	agent_stop(agent, true);
	assert_false(has_programs());
	assert_false(run("tc qdisc show dev v0 | grep -q htb"));
}

static int log_file;

static unsigned complaints(void)
{
	char text[8192];
	ssize_t bytes = pread(log_file, text, sizeof text - 1, 0);
	unsigned count = 0;

	text[bytes > 0 ? bytes : 0] = '\0';
	for (const char *at = text; (at = strstr(at, "tc qdisc del dev u0 root")); at++)
		count++;
	return count;
}

static bool has_complained_once(void)
{
	return complaints() >= 1;
}

static bool has_complained_twice(void)
{
	return complaints() >= 2;
}

static bool has_uplink(void)
{
	return run("tc qdisc show dev u0 root | grep -q 'htb 5157:'");
}

/* An uplink with a qdisc that is not to be lost comes, and is looked at twice; then it may be taken. */
static void offend(bool (*has_complained)(void))
{
	assert_true(run("ip link del u0; ip link add late type veth peer name far && "
			"tc qdisc add dev late root handle 7: htb && "
			"tc class add dev late parent 7: classid 7:1 htb rate 1mbit && "
			"ip link set late name u0"));
	assert_true(eventually(has_complained, true));
	assert_true(run("ip link set far up"));
	assert_true(run("tc qdisc del dev u0 root"));
	assert_true(eventually(has_uplink, true));
}

static void a_trouble_with_the_uplink_that_recurs_is_logged_again(void **state)
{
	int before;

	need_a_host();
	start();
	before = dup(STDERR_FILENO);
	log_file = memfd_create("log", 0);
	assert_int_equal(dup2(log_file, STDERR_FILENO), STDERR_FILENO);
	offend(has_complained_once);
	offend(has_complained_twice);
	agent_stop(agent, true);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(complaints(), 2);
	close(before);
	close(log_file);
}

static bool has_all(void)
{
	return has_programs() && run("tc class show dev u0 | grep -q 'rate 200Mbit'") &&
	       run("tc class show dev v0 | grep -q 'htb 5157:1 '");
}

static void what_others_take_off_is_put_back(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	start();
	config.send_min = LINK / 5;
	add(&config);
	assert_true(has_all());
	assert_true(run("tc qdisc del dev u0 root"));
	assert_true(eventually(has_all, true));
	assert_true(run("tc qdisc replace dev v0 root pfifo"));
	assert_true(eventually(has_all, true));
	assert_true(run("tc qdisc del dev v0 clsact"));
	assert_true(eventually(has_all, true));
	agent_stop(agent, true);
	assert_true(run("tc qdisc show dev v0 | grep -q pfifo"));
}

static void a_netdev_that_cannot_be_taken_is_refused_and_left_alone(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	assert_true(run("tc qdisc add dev v0 root handle 7: htb && "
			"tc class add dev v0 parent 7: classid 7:1 htb rate 1mbit"));
	start();
	assert_int_equal(agent_add_nic(agent, &config, &error), -EBUSY);
	assert_non_null(strstr(error.message, "tc qdisc del dev v0 root"));
	assert_true(run("tc class show dev v0 | grep -q 'htb 7:1'"));
	assert_false(has_programs());
	assert_true(run("tc qdisc del dev v0 root"));
	add(&config);
	agent_stop(agent, true);
}

static void what_is_left_in_force_a_successor_finds_and_the_end_puts_back(void **state)
{
	struct nic_config config = config_of("web", "v0");

	need_a_host();
	assert_true(run("tc qdisc add dev u0 root handle 9: tbf rate 1gbit burst 64k limit 1m"));
	start();
	add(&config);
	agent_stop(agent, false);
	assert_true(has_programs());
	start();
	add(&config);
	agent_stop(agent, true);
	assert_false(has_programs());
	assert_true(run("tc qdisc show dev u0 | grep -q 'tbf 9: root'"));
	assert_false(run("tc qdisc show dev v0 | grep -q -e htb -e clsact"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vnic_has_programs_and_classes_until_it_is_removed),
		cmocka_unit_test(promises_change_at_once),
		cmocka_unit_test(the_uplink_is_no_vnics_netdev),
		cmocka_unit_test(the_agents_address_may_come_late),
		cmocka_unit_test(what_does_not_fit_the_link_is_refused_with_what_is_missing),
		cmocka_unit_test(names_netdevs_and_addresses_are_one_vnics),
		cmocka_unit_test(a_netdev_may_come_late_go_and_come_back),
		cmocka_unit_test(the_uplink_may_come_late_go_and_come_back),
		cmocka_unit_test(a_trouble_with_the_uplink_that_recurs_is_logged_again),
		cmocka_unit_test(what_others_take_off_is_put_back),
		cmocka_unit_test(a_netdev_that_cannot_be_taken_is_refused_and_left_alone),
		cmocka_unit_test(what_is_left_in_force_a_successor_finds_and_the_end_puts_back),
	};

	return cmocka_run_group_tests(tests, make_state_directory, remove_state_directory);
}
