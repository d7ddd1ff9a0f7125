/* Taps of NICs: whose they are, and what becomes of a NIC whose tap is down, or is taken away. */
#include "wire.h"

#define SPLIT 0ull
#define EVENTS FEATURE(VIRTIO_RING_F_EVENT_IDX)

static struct wire wire;

static bool tap_is_there(void)
{
	return if_nametoindex("tap0") != 0;
}

static void a_tap_that_was_made_here_stays_until_its_nic_is_removed(void **state)
{
	unsigned index;

	wire_open(&wire, 1);
	index = if_nametoindex("tap0");
	assert_true(wire_statistics(&wire).is_tap_made_here);
	net_device_destroy(wire.device, false);
	assert_int_equal(if_nametoindex("tap0"), index);
	wire_create(&wire);
	assert_true(wire_statistics(&wire).is_tap_made_here);
	wire_close(&wire);
	assert_false(tap_is_there());
}

static void a_tap_of_others_is_used_and_left_as_it_is(void **state)
{
	wire_open(&wire, 1);
	net_device_destroy(wire.device, true);
	assert_false(tap_is_there());
	assert_true(run("ip tuntap add tap0 mode tap && ip link set tap0 mtu 1400"));
	wire_create(&wire);
	assert_false(wire_statistics(&wire).is_tap_made_here);
	assert_false(wire_statistics(&wire).is_link_up);
	net_device_destroy(wire.device, true);
	assert_true(tap_is_there());
	wire.config.pair_count = 2;
	assert_int_equal(
		net_device_create(wire.sidecore, &wire.config, &wire.device, &wire.error), -EINVAL);
	assert_non_null(strstr(wire.error.message, "multi_queue"));
	wire.config.pair_count = 1;
	wire.config.mtu = 9000;
	assert_int_equal(
		net_device_create(wire.sidecore, &wire.config, &wire.device, &wire.error), -EINVAL);
	assert_non_null(strstr(wire.error.message, "ip link set tap0 mtu 9000"));
	wire.config.mtu = 0;
	wire_create(&wire);
	wire_close(&wire);
}

static void a_netdev_that_is_no_tap_is_refused(void **state)
{
	wire_open(&wire, 1);
	net_device_destroy(wire.device, true);
	snprintf(wire.config.netdev, sizeof wire.config.netdev, "v0");
	assert_int_equal(
		net_device_create(wire.sidecore, &wire.config, &wire.device, &wire.error), -EINVAL);
	assert_non_null(strstr(wire.error.message, "vNIC 'nic': netdev v0 is no tap"));
	snprintf(wire.config.netdev, sizeof wire.config.netdev, "tap0");
	wire_create(&wire);
	wire_close(&wire);
}

static bool guest_sees_link(void)
{
	struct virtio_net_config config;

	assert_int_equal(
		vhost_user_frontend_read_config(&wire.frontend, &config, sizeof config), 0);
	return config.status & VIRTIO_NET_S_LINK_UP;
}

static void a_tap_that_is_down_is_a_link_that_is_down(void **state)
{
	uint8_t heard[2048];

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	assert_true(guest_sees_link());
	assert_true(run("ip link set tap0 down"));
	for (unsigned i = 0; i < 5000 && guest_sees_link(); i++)
		usleep(1000);
	assert_false(guest_sees_link());
	wire_transmit(&wire, 60, 1);
	assert_int_equal(wire_statistics(&wire).transmit_drops_link, 1);
	assert_true(run("ip link set tap0 up"));
	for (unsigned i = 0; i < 5000 && !guest_sees_link(); i++)
		usleep(1000);
	assert_true(guest_sees_link());
	wire_tap(&wire);
	wire_transmit(&wire, 60, 1);
	assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static void a_tap_that_is_taken_away_is_made_again(void **state)
{
	struct driver_completion done;
	unsigned before;

	wire_open(&wire, 2);
	wire_attach(&wire, SPLIT | EVENTS);
	before = if_nametoindex("tap0");
	assert_true(run("ip link del tap0"));
	for (unsigned i = 0; i < 5000 && (!tap_is_there() || if_nametoindex("tap0") == before); i++)
		usleep(1000);
	assert_true(tap_is_there());
	for (unsigned i = 0; i < 5000 && !guest_sees_link(); i++)
		usleep(1000);
	assert_true(guest_sees_link());
	wire_tap(&wire);
	wire_offer(&wire, 0, BUFFER_BYTES);
	wire_kick(&wire, 0);
	wire_transmit(&wire, 60, 1);
	/* The tap sends a flow to the queue that it was last seen on. */
	wire_send(&wire, 100, 1);
	wire_send(&wire, 100, 1);
	assert_true(wire_wait(&wire, 0, &done));
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

/* The thread sanitizer watches. */
static void a_tap_that_is_made_again_can_be_looked_at(void **state)
{
	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	for (unsigned round = 0; round < 5; round++) {
		unsigned before = if_nametoindex("tap0");

		assert_true(run("ip link del tap0"));
		for (unsigned i = 0; i < 50000 && (!wire_statistics(&wire).is_link_up ||
							  if_nametoindex("tap0") == before);
			i++)
			usleep(100);
		assert_true(wire_statistics(&wire).is_tap_made_here);
	}
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tap_that_was_made_here_stays_until_its_nic_is_removed),
		cmocka_unit_test(a_tap_of_others_is_used_and_left_as_it_is),
		cmocka_unit_test(a_netdev_that_is_no_tap_is_refused),
		cmocka_unit_test(a_tap_that_is_down_is_a_link_that_is_down),
		cmocka_unit_test(a_tap_that_is_taken_away_is_made_again),
		cmocka_unit_test(a_tap_that_is_made_again_can_be_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
