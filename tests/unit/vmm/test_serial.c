#include "../cmocka_all.h"

#include <fcntl.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/devices/serial.h"
#include "vmm/exits/exit_service.h"
#include "vmm/layout.h"

#define LISTENING (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2)
#define PATIENCE_MS 10000
#define FIFO_BYTES 16u

static struct sidecore *sidecore;
static struct registers *registers;
static struct exit_service *service;
static struct serial *serial;
/* Exits are handled by the vCPUs, so that the test is one: under the service's lock. */
static int input[2], output[2], interrupt_fd;

static int start_sidecore(void **state)
{
	const struct sidecore_config config = {.name = "serial", .cpu = SIDECORE_NOT_PINNED};

	return sidecore_start(&config, &sidecore, NULL);
}

static int stop_sidecore(void **state)
{
	sidecore_stop(sidecore);
	return 0;
}

static void create(int output_fd)
{
	const struct serial_config config = {
		.input_fd = input[0], .output_fd = output_fd, .interrupt_fd = interrupt_fd};

	assert_int_equal(serial_create(&config, registers, service, &serial, NULL), 0);
}

static int set_up(void **state)
{
	interrupt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	registers = registers_create();
	if (exit_service_create(
		    &(struct exit_service_config){.sidecore = sidecore, .registers = registers},
		    &service, NULL) < 0)
		return -1;
	if (pipe2(input, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0)
		return -1;
	create(output[1]);
	return 0;
}

static int tear_down(void **state)
{
	serial_destroy(serial);
	exit_service_destroy(service);
	registers_destroy(registers);
	for (unsigned i = 0; i < 2; i++) {
		close(input[i]);
		close(output[i]);
	}
	close(interrupt_fd);
	return 0;
}

static void out(unsigned number, uint8_t value)
{
	exit_service_enter(service);
	registers_write(
		registers, REGISTER_PORT, LAYOUT_PORT_SERIAL + number, &value, sizeof value);
	exit_service_leave(service);
}

static uint8_t in(unsigned number)
{
	uint8_t value;

	exit_service_enter(service);
	registers_read(registers, REGISTER_PORT, LAYOUT_PORT_SERIAL + number, &value, sizeof value);
	exit_service_leave(service);
	return value;
}

static void wait_for(unsigned number, uint8_t mask, uint8_t value)
{
	for (unsigned i = 0; (in(number)&mask) != value; i++) {
		assert_in_range(i, 0, PATIENCE_MS);
		usleep(1000);
	}
}

static void wait_for_interrupt(void)
{
	struct pollfd wait = {.fd = interrupt_fd, .events = POLLIN};
	uint64_t count;

	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	assert_int_equal(read(interrupt_fd, &count, sizeof count), sizeof count);
}

static bool take_interrupt(void)
{
	uint64_t count;

	return read(interrupt_fd, &count, sizeof count) == sizeof count;
}

static void type(const char *text)
{
	assert_int_equal(write(input[1], text, strlen(text)), strlen(text));
}

static void expect_output(const char *text)
{
	char got[256] = {0};
	size_t count = 0;

	while (count < strlen(text)) {
		ssize_t more = read(output[0], got + count, strlen(text) - count);

		assert_true(more > 0);
		count += (size_t)more;
	}
	assert_string_equal(got, text);
}

/* ---- what Linux's driver does to find out what it has (8250_port.c: autoconfig) ---- */

static void it_has_no_more_interrupt_bits_than_a_16550(void **state)
{
	out(UART_IER, 0);
	assert_int_equal(in(UART_IER), 0);
	out(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0xf);
}

static void loopback_connects_modem_lines(void **state)
{
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_RI | UART_MSR_DSR);
	out(UART_MCR, 0);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

static void it_is_a_16550a(void **state)
{
	assert_int_equal(in(UART_IIR) >> 6, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR) >> 6, 3);
	/* and none of its successors: no extended features behind the divisor latch, no 64-byte FIFO */
	out(UART_LCR, UART_LCR_CONF_MODE_A);
	assert_int_not_equal(in(UART_EFR), 0);
	out(UART_LCR, UART_LCR_CONF_MODE_B);
	assert_int_not_equal(in(UART_EFR), 0);
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR7_64BYTE);
	assert_int_equal(in(UART_IIR) >> 5, 6);
}

static void divisor_and_scratch_keep_what_is_written(void **state)
{
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(UART_DLL, 0x12);
	out(UART_DLM, 0x34);
	assert_int_equal(in(UART_DLL), 0x12);
	assert_int_equal(in(UART_DLM), 0x34);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(in(UART_LCR), UART_LCR_WLEN8);
	out(UART_SCR, 0x56);
	assert_int_equal(in(UART_SCR), 0x56);
}

static void loopback_returns_characters_and_sends_none(void **state)
{
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_TX, 'x');
	assert_true(in(UART_LSR)&UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'x');
	assert_false(in(UART_LSR)&UART_LSR_DR);
	out(UART_MCR, LISTENING);
	out(UART_TX, 'y');
	expect_output("y");
}

/* ---- output ---- */

static void what_is_written_comes_out(void **state)
{
	const char *text = "Hello, world\n";

	for (unsigned i = 0; text[i]; i++)
		out(UART_TX, (uint8_t)text[i]);
	expect_output(text);
}

static void enabling_the_transmitters_interrupt_raises_it(void **state)
{
	out(UART_MCR, LISTENING);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	out(UART_IER, UART_IER_THRI);
	assert_true(take_interrupt());
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
}

static void the_transmitter_interrupts_when_output_is_written(void **state)
{
	out(UART_MCR, LISTENING);
	out(UART_IER, UART_IER_THRI);
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	take_interrupt();
	out(UART_TX, 'x');
	wait_for_interrupt();
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	assert_false(take_interrupt());
}

static bool has_pipe_room(void)
{
	struct pollfd pipe_end = {.fd = output[1], .events = POLLOUT};

	return poll(&pipe_end, 1, 0) == 1;
}

/* The port can be full for a moment while the pipe still takes what is in it. */
static void fill(void)
{
	unsigned i = 0;

	while (has_pipe_room() || in(UART_LSR)&UART_LSR_THRE) {
		if (!(in(UART_LSR)&UART_LSR_THRE))
			continue;
		assert_in_range(++i, 0, 1 << 20);
		for (unsigned j = 0; j < FIFO_BYTES; j++)
			out(UART_TX, (uint8_t)('a' + (i + j) % 26));
	}
}

static size_t drain(void)
{
	static char buffer[1 << 20];
	struct pollfd wait = {.fd = output[0], .events = POLLIN};
	size_t total = 0;

	while (poll(&wait, 1, 200) == 1 && wait.revents & POLLIN)
		total += (size_t)read(output[0], buffer, sizeof buffer);
	return total;
}

static void a_full_output_holds_up_the_writer_and_loses_nothing(void **state)
{
	size_t drained;

	fill();
	drained = drain();
	assert_true(drained > 0);
	assert_int_equal(drained % FIFO_BYTES, 0);
	wait_for(UART_LSR, UART_LSR_THRE, UART_LSR_THRE);
	out(UART_TX, '!');
	expect_output("!");
}

static void writing_to_a_full_output_is_harmless(void **state)
{
	fill();
	for (unsigned i = 0; i < 10000; i++)
		out(UART_TX, 'x');
	assert_false(in(UART_LSR)&UART_LSR_THRE);
	drain();
}

static void output_that_nobody_takes_any_more_is_dropped(void **state)
{
	close(output[0]);
	output[0] = -1;
	for (unsigned i = 0; i < 100000; i++)
		out(UART_TX, 'x');
	wait_for(UART_LSR, UART_LSR_THRE, UART_LSR_THRE);
}

static void output_that_never_goes_does_not_keep_the_port_from_its_end(void **state)
{
	fill();
	/* tear_down destroys it; the pipe is full */
}

static void output_nowhere_is_as_fast_as_it_is_written(void **state)
{
	serial_destroy(serial);
	create(-1);
	out(UART_MCR, LISTENING);
	out(UART_IER, UART_IER_THRI);
	for (unsigned i = 0; i < 10000; i++) {
		out(UART_TX, 'x');
		assert_int_equal(in(UART_IIR), UART_IIR_THRI);
	}
}

static void nonblocking_output_is_waited_for(void **state)
{
	assert_int_equal(fcntl(output[1], F_SETFL, O_NONBLOCK), 0);
	fill();
	assert_int_equal(drain() % FIFO_BYTES, 0);
	out(UART_TX, '!');
	expect_output("!");
}

static void what_is_left_is_written_at_the_end(void **state)
{
	out(UART_TX, 'b');
	out(UART_TX, 'y');
	out(UART_TX, 'e');
	serial_destroy(serial);
	expect_output("bye");
	create(output[1]);
}

/* ---- input ---- */

static void what_is_typed_interrupts_and_is_read(void **state)
{
	out(UART_MCR, LISTENING);
	out(UART_IER, UART_IER_RDI);
	type("ab");
	wait_for_interrupt();
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(UART_RX), 'a');
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(UART_RX), 'b');
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
}

static void what_is_typed_before_the_guest_listens_waits(void **state)
{
	type("early");
	usleep(10000);
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	assert_false(in(UART_LSR)&UART_LSR_DR);
	assert_int_equal(in(UART_RX), 0);
	out(UART_MCR, LISTENING);
	wait_for(UART_LSR, UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'e');
}

static void any_amount_of_input_arrives_in_order(void **state)
{
	char text[1000];

	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = (char)(i % 251);
	out(UART_MCR, LISTENING);
	assert_int_equal(write(input[1], text, sizeof text), sizeof text);
	for (unsigned i = 0; i < sizeof text; i++) {
		wait_for(UART_LSR, UART_LSR_DR, UART_LSR_DR);
		assert_int_equal(in(UART_RX), (uint8_t)text[i]);
	}
}

static void input_that_ends_is_no_more(void **state)
{
	out(UART_MCR, LISTENING);
	type("z");
	close(input[1]);
	input[1] = -1;
	wait_for(UART_LSR, UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'z');
	usleep(10000);
	assert_false(in(UART_LSR)&UART_LSR_DR);
}

static void a_file_can_be_input(void **state)
{
	char path[] = "/tmp/serial-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "file", 4), 4);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	serial_destroy(serial);
	close(input[0]);
	input[0] = fd;
	create(output[1]);
	out(UART_MCR, LISTENING);
	wait_for(UART_LSR, UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'f');
	unlink(path);
}

/* ---- interrupts ---- */

static void a_second_cause_raises_the_line_again(void **state)
{
	out(UART_MCR, LISTENING);
	out(UART_IER, UART_IER_THRI | UART_IER_RDI);
	assert_true(take_interrupt());
	type("k");
	wait_for_interrupt();
	assert_int_equal(in(UART_IIR), UART_IIR_RDI);
	assert_int_equal(in(UART_RX), 'k');
	assert_int_equal(in(UART_IIR), UART_IIR_THRI);
}

static void enabling_a_pending_cause_raises_the_line(void **state)
{
	out(UART_MCR, LISTENING);
	type("k");
	wait_for(UART_LSR, UART_LSR_DR, UART_LSR_DR);
	assert_false(take_interrupt());
	out(UART_IER, UART_IER_RDI);
	assert_true(take_interrupt());
	out(UART_IER, 0);
	out(UART_IER, UART_IER_RDI);
	assert_true(take_interrupt());
}

static void without_out2_there_is_no_interrupt(void **state)
{
	out(UART_MCR, UART_MCR_RTS);
	out(UART_IER, UART_IER_THRI);
	assert_false(take_interrupt());
	out(UART_MCR, LISTENING);
	assert_true(take_interrupt());
}

static void modem_lines_that_change_interrupt(void **state)
{
	out(UART_IER, UART_IER_MSI);
	out(UART_MCR, UART_MCR_LOOP);
	out(UART_MCR, LISTENING);
	assert_true(take_interrupt());
	assert_int_equal(in(UART_IIR), UART_IIR_MSI);
	assert_int_equal(
		in(UART_MSR)&UART_MSR_ANY_DELTA, UART_MSR_DDCD | UART_MSR_DDSR | UART_MSR_DCTS);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(it_has_no_more_interrupt_bits_than_a_16550),
		CASE(loopback_connects_modem_lines),
		CASE(it_is_a_16550a),
		CASE(divisor_and_scratch_keep_what_is_written),
		CASE(loopback_returns_characters_and_sends_none),
		CASE(what_is_written_comes_out),
		CASE(enabling_the_transmitters_interrupt_raises_it),
		CASE(the_transmitter_interrupts_when_output_is_written),
		CASE(a_full_output_holds_up_the_writer_and_loses_nothing),
		CASE(writing_to_a_full_output_is_harmless),
		CASE(output_that_nobody_takes_any_more_is_dropped),
		CASE(output_that_never_goes_does_not_keep_the_port_from_its_end),
		CASE(output_nowhere_is_as_fast_as_it_is_written),
		CASE(nonblocking_output_is_waited_for),
		CASE(what_is_left_is_written_at_the_end),
		CASE(what_is_typed_interrupts_and_is_read),
		CASE(what_is_typed_before_the_guest_listens_waits),
		CASE(any_amount_of_input_arrives_in_order),
		CASE(input_that_ends_is_no_more),
		CASE(a_file_can_be_input),
		CASE(a_second_cause_raises_the_line_again),
		CASE(enabling_a_pending_cause_raises_the_line),
		CASE(without_out2_there_is_no_interrupt),
		CASE(modem_lines_that_change_interrupt),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_sidecore, stop_sidecore);
}
