/*
 * Interrupts. The line is edge-triggered: a driver that returns with a cause still pending would wait for ever
 * for an edge. So the line is raised for each cause that becomes pending, whether or not another one is, and
 * again when the driver takes one and another remains.
 *
 * "Transmitter empty" is said when what was sent has been written, not when there is room, which is nearly
 * always: a driver that gets one such interrupt per FIFO's worth at once thinks that its port is broken.
 */
#include "vmm/devices/serial.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/devices/serial_line.h"
#include "vmm/layout.h"

#define FIFO_BYTES 16u

#define LINE_CONTROL_DIVISOR UART_LCR_DLAB
#define LINES_OUT_MASK 0x1fu
#define MODEM_LINES_MASK 0xf0u
#define INTERRUPT_ENABLE_MASK 0xfu
#define FIFO_ENABLED_IN_IIR 0xc0u
#define DIVISOR_9600 12u

/* Causes of interrupts are written as the bits that enable them. */
#define CAUSE_INPUT UART_IER_RDI
#define CAUSE_SENT UART_IER_THRI
#define CAUSE_MODEM UART_IER_MSI

struct serial {
	int interrupt_fd;
	struct registers *registers;
	struct register_range range;
	struct serial_line *line;

	uint8_t interrupt_enable, fifo_control, line_control, modem_control, scratch;
	uint8_t divisor[2];
	uint8_t modem_lines; /* what the modem status register showed last, upper half */
	uint8_t modem_deltas;
	bool is_sent;	   /* "transmitter empty" is pending */
	uint8_t signalled; /* causes that the line has been raised for */

	/* What was sent in loopback mode comes back here. */
	bool has_looped;
	uint8_t looped;
};

/* ---- interrupts ---- */

static bool is_in_loopback(const struct serial *serial)
{
	return serial->modem_control & UART_MCR_LOOP;
}

static bool has_input(const struct serial *serial)
{
	if (is_in_loopback(serial))
		return serial->has_looped;
	return serial->modem_control & UART_MCR_RTS && serial_line_has_input(serial->line);
}

/* Pending and enabled. */
static uint8_t causes(const struct serial *serial)
{
	uint8_t pending = 0;

	if (has_input(serial))
		pending |= CAUSE_INPUT;
	if (serial->is_sent)
		pending |= CAUSE_SENT;
	if (serial->modem_deltas)
		pending |= CAUSE_MODEM;
	return pending & serial->interrupt_enable;
}

static void raise_line(const struct serial *serial)
{
	const uint64_t one = 1;

	/* Cannot block, nor fail but by a counter that is full, which says the same. */
	(void)!write(serial->interrupt_fd, &one, sizeof one);
}

/* On a PC, OUT2 connects the port with its interrupt line; loopback disconnects it. */
static void update_interrupt(struct serial *serial)
{
	uint8_t visible = 0;

	if (serial->modem_control & UART_MCR_OUT2 && !is_in_loopback(serial))
		visible = causes(serial);
	if (visible & ~serial->signalled)
		raise_line(serial);
	serial->signalled = visible;
}

/* Something was taken: if there is more, say so. */
static void update_interrupt_again(struct serial *serial)
{
	serial->signalled = 0;
	update_interrupt(serial);
}

static void line_changed(void *context)
{
	struct serial *serial = context;

	if (!serial_line_is_sending(serial->line) || serial_line_room(serial->line) >= FIFO_BYTES)
		serial->is_sent = true;
	update_interrupt(serial);
}

/* ---- modem lines ---- */

/* A modem that is there and ready; in loopback mode, what the port itself puts out. */
static uint8_t modem_lines(const struct serial *serial)
{
	static const struct {
		uint8_t output, input;
	} loops[] = {
		{UART_MCR_RTS, UART_MSR_CTS},
		{UART_MCR_DTR, UART_MSR_DSR},
		{UART_MCR_OUT1, UART_MSR_RI},
		{UART_MCR_OUT2, UART_MSR_DCD},
	};
	uint8_t lines = 0;

	if (!is_in_loopback(serial))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	for (unsigned i = 0; i < sizeof loops / sizeof *loops; i++)
		if (serial->modem_control & loops[i].output)
			lines |= loops[i].input;
	return lines;
}

static void update_modem_lines(struct serial *serial)
{
	uint8_t lines = modem_lines(serial);
	uint8_t changes = lines ^ serial->modem_lines;

	/* The ring indicator counts only when it ends. */
	if (lines & UART_MSR_RI)
		changes &= (uint8_t)~UART_MSR_RI;
	serial->modem_deltas |= changes >> 4;
	serial->modem_lines = lines;
}

/* ---- reading ---- */

static uint8_t read_received(struct serial *serial)
{
	uint8_t byte;

	if (!has_input(serial))
		return 0;
	if (is_in_loopback(serial)) {
		serial->has_looped = false;
		byte = serial->looped;
	} else {
		byte = serial_line_receive(serial->line);
	}
	update_interrupt(serial);
	return byte;
}

static uint8_t read_data(struct serial *serial)
{
	if (serial->line_control & LINE_CONTROL_DIVISOR)
		return serial->divisor[0];
	return read_received(serial);
}

static uint8_t read_interrupt_enable(struct serial *serial)
{
	if (serial->line_control & LINE_CONTROL_DIVISOR)
		return serial->divisor[1];
	return serial->interrupt_enable;
}

/* The most urgent cause. Reading takes "transmitter empty"; others go when their reason does. */
static uint8_t read_interrupt_identity(struct serial *serial)
{
	uint8_t pending = causes(serial);
	uint8_t identity = UART_IIR_NO_INT;

	if (pending & CAUSE_INPUT) {
		identity = UART_IIR_RDI;
	} else if (pending & CAUSE_SENT) {
		identity = UART_IIR_THRI;
		serial->is_sent = false;
	} else if (pending & CAUSE_MODEM) {
		identity = UART_IIR_MSI;
	}
	if (identity == UART_IIR_THRI)
		update_interrupt_again(serial);
	if (serial->fifo_control & UART_FCR_ENABLE_FIFO)
		identity |= FIFO_ENABLED_IN_IIR;
	return identity;
}

static uint8_t read_line_control(struct serial *serial)
{
	return serial->line_control;
}

static uint8_t read_modem_control(struct serial *serial)
{
	return serial->modem_control;
}

/* Room for a whole FIFO is "empty": drivers then write that many without looking. */
static uint8_t read_line_status(struct serial *serial)
{
	uint8_t status = 0;

	if (has_input(serial))
		status |= UART_LSR_DR;
	if (serial_line_room(serial->line) >= FIFO_BYTES)
		status |= UART_LSR_THRE | UART_LSR_TEMT;
	return status;
}

static uint8_t read_modem_status(struct serial *serial)
{
	uint8_t status = serial->modem_lines | serial->modem_deltas;

	serial->modem_deltas = 0;
	update_interrupt(serial);
	return status;
}

static uint8_t read_scratch(struct serial *serial)
{
	return serial->scratch;
}

/* ---- writing ---- */

static void send_byte(struct serial *serial, uint8_t byte)
{
	serial->is_sent = false;
	if (is_in_loopback(serial)) {
		serial->has_looped = true;
		serial->looped = byte;
	} else {
		serial_line_send(serial->line, byte);
	}
	if (!serial_line_is_sending(serial->line))
		serial->is_sent = true;
	update_interrupt(serial);
}

static void write_data(struct serial *serial, uint8_t value)
{
	if (serial->line_control & LINE_CONTROL_DIVISOR)
		serial->divisor[0] = value;
	else
		send_byte(serial, value);
}

/* Enabling "transmitter empty" while it is says so. */
static void write_interrupt_enable(struct serial *serial, uint8_t value)
{
	if (serial->line_control & LINE_CONTROL_DIVISOR) {
		serial->divisor[1] = value;
		return;
	}
	if (value & ~serial->interrupt_enable & CAUSE_SENT &&
		serial_line_room(serial->line) >= FIFO_BYTES)
		serial->is_sent = true;
	serial->interrupt_enable = value & INTERRUPT_ENABLE_MASK;
	update_interrupt_again(serial);
}

/* Clearing FIFOs loses nothing here: characters are still on the line, in either direction. */
static void write_fifo_control(struct serial *serial, uint8_t value)
{
	serial->fifo_control = value;
}

static void write_line_control(struct serial *serial, uint8_t value)
{
	serial->line_control = value;
}

static void write_modem_control(struct serial *serial, uint8_t value)
{
	serial->modem_control = value & LINES_OUT_MASK;
	if (!is_in_loopback(serial))
		serial->has_looped = false;
	update_modem_lines(serial);
	update_interrupt(serial);
}

static void ignore_write(struct serial *serial, uint8_t value)
{
}

static void write_scratch(struct serial *serial, uint8_t value)
{
	serial->scratch = value;
}

/* ---- the registers ---- */

static const struct {
	uint8_t (*read)(struct serial *serial);
	void (*write)(struct serial *serial, uint8_t value);
} serial_registers[LAYOUT_PORT_SERIAL_COUNT] = {
	[UART_RX] = {read_data, write_data},
	[UART_IER] = {read_interrupt_enable, write_interrupt_enable},
	[UART_IIR] = {read_interrupt_identity, write_fifo_control},
	[UART_LCR] = {read_line_control, write_line_control},
	[UART_MCR] = {read_modem_control, write_modem_control},
	[UART_LSR] = {read_line_status, ignore_write},
	[UART_MSR] = {read_modem_status, ignore_write},
	[UART_SCR] = {read_scratch, write_scratch},
};

static uint64_t read_registers(void *device, uint64_t offset, unsigned size_bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size_bytes; i++)
		value |= (uint64_t)serial_registers[offset + i].read(device) << 8 * i;
	return value;
}

static void write_registers(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	for (unsigned i = 0; i < size_bytes; i++)
		serial_registers[offset + i].write(device, (uint8_t)(value >> 8 * i));
}

/* ---- beginning and end ---- */

static void init(struct serial *serial)
{
	serial->divisor[0] = DIVISOR_9600;
	serial->modem_lines = modem_lines(serial);
	serial->range = (struct register_range){
		.kind = REGISTER_SERIAL,
		.base = LAYOUT_PORT_SERIAL,
		.size_bytes = LAYOUT_PORT_SERIAL_COUNT,
		.read = read_registers,
		.write = write_registers,
		.device = serial,
	};
}

int serial_create(const struct serial_config *config, struct registers *registers,
	struct exit_service *service, struct serial **serial, struct error *error)
{
	struct serial *created = calloc(1, sizeof *created);
	struct serial_line_config line = {
		.input_fd = config->input_fd,
		.output_fd = config->output_fd,
		.service = service,
		.changed = line_changed,
		.context = created,
	};
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "no memory for the serial port");
	created->interrupt_fd = config->interrupt_fd;
	created->registers = registers;
	init(created);
	result = registers_add(registers, &created->range);
	if (result < 0) {
		(void)error_set(error, result, "another device has the serial port's registers");
		goto fail;
	}
	result = serial_line_create(&line, &created->line, error);
	if (result < 0)
		goto fail_range;
	*serial = created;
	return 0;

fail_range:
	registers_remove(registers, &created->range);
fail:
	free(created);
	return result;
}

void serial_destroy(struct serial *serial)
{
	serial_line_destroy(serial->line);
	registers_remove(serial->registers, &serial->range);
	free(serial);
}
