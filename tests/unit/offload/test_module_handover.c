/* What sluiced hands to a module's process, over the link between both. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "base/packet.h"
#include "offload/host/module_handover.h"

static int ends[2];
static struct module_description sent, received;
static struct gate_descriptors gate;
static struct channel_machine machine;
static const struct channel_machine nobody = {-1, -1};
static struct error error;

static int open_link(void **state)
{
	sent = (struct module_description){.name = "db", .connections = 1};
	snprintf(sent.version, sizeof sent.version, "%s", SLUICE_VERSION);
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
}

static int close_link(void **state)
{
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int receive(void)
{
	return module_handover_receive(ends[1], &received, &gate, &machine, &error);
}

static void a_module_without_a_gate_is_handed_none(void **state)
{
	assert_int_equal(module_handover_send(ends[0], &sent, NULL, &nobody), 0);
	assert_int_equal(receive(), 0);
	assert_string_equal(received.name, "db");
	assert_int_equal(gate.region, -1);
	assert_int_equal(machine.socket, -1);
}

static void a_gates_descriptors_arrive_in_their_order(void **state)
{
	struct gate_descriptors own;
	eventfd_t value;

	own.region = eventfd(1, 0);
	own.doorbell = eventfd(2, 0);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		own.wake[i] = eventfd(3 + i, 0);
	assert_int_equal(module_handover_send(ends[0], &sent, &own, &nobody), 0);
	assert_int_equal(receive(), 0);
	assert_int_equal(eventfd_read(gate.region, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(eventfd_read(gate.doorbell, &value), 0);
	assert_int_equal(value, 2);
	close(own.region);
	close(own.doorbell);
	close(gate.region);
	close(gate.doorbell);
	for (unsigned i = 0; i < GATE_SLOTS; i++) {
		assert_int_equal(eventfd_read(gate.wake[i], &value), 0);
		assert_int_equal(value, 3 + i);
		close(own.wake[i]);
		close(gate.wake[i]);
	}
}

static void close_all(struct gate_descriptors *descriptors)
{
	packet_close_descriptors((const int *)descriptors, sizeof *descriptors / sizeof(int));
}

static void a_machine_is_handed_over_with_a_gate_or_without(void **state)
{
	const struct channel_machine own = {eventfd(7, 0), eventfd(8, 0)};
	struct gate_descriptors own_gate;
	const unsigned before = open_descriptors();
	eventfd_t value;

	for (unsigned i = 0; i < sizeof own_gate / sizeof(int); i++)
		((int *)&own_gate)[i] = eventfd(i, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			module_handover_send(ends[0], &sent, i ? &own_gate : NULL, &own), 0);
		assert_int_equal(receive(), 0);
		assert_int_equal(gate.region >= 0, i == 1);
		eventfd_write(own.doorbell, i + 1);
		assert_int_equal(eventfd_read(machine.doorbell, &value), 0);
		assert_int_equal(value, i ? 2 : 9);
		close(machine.socket);
		close(machine.doorbell);
	}
	close_all(&gate);
	close_all(&own_gate);
	assert_int_equal(open_descriptors(), before);
	close(own.socket);
	close(own.doorbell);
}

static void what_is_no_description_is_refused(void **state)
{
	assert_int_equal(send(ends[0], &sent, sizeof sent - 1, 0), sizeof sent - 1);
	assert_int_equal(receive(), -EPROTO);
	shutdown(ends[0], SHUT_WR);
	assert_int_equal(receive(), -EPROTO);
	assert_string_equal(error.message, "sluiced has gone");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_link, close_link)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_module_without_a_gate_is_handed_none),
		TEST(a_gates_descriptors_arrive_in_their_order),
		TEST(a_machine_is_handed_over_with_a_gate_or_without),
		TEST(what_is_no_description_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
