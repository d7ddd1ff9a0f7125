#include "print.h"

#include "cpu.h"
#include "machine.h"

#define TRANSMITTER_EMPTY 0x20u

/* As a kernel that has just started would: whoever was here before may have left anything. */
void print_set_up(void)
{
	static const struct {
		uint8_t offset, value;
	} settings[] = {
		{3, 3}, /* line control: 8 bits; not the divisor latch */
		{1, 0}, /* no interrupts */
		{2, 0}, /* no FIFO */
		{4, 0}, /* modem control: no loop */
	};

	for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++)
		port_write8((uint16_t)(PORT_SERIAL + settings[i].offset), settings[i].value);
}

static void print_byte(char byte)
{
	while (!(port_read8(PORT_SERIAL_LINE_STATUS) & TRANSMITTER_EMPTY))
		cpu_pause();
	port_write8(PORT_SERIAL, (uint8_t)byte);
}

void print(const char *text)
{
	for (; *text; text++)
		print_byte(*text);
}

static void print_number(uint64_t number, unsigned base)
{
	char digits[21];
	unsigned at = sizeof digits - 1;

	digits[at] = '\0';
	do
		digits[--at] = "0123456789abcdef"[number % base];
	while (number /= base);
	print(digits + at);
}

void print_decimal(uint64_t number)
{
	print_number(number, 10);
}

void print_hexadecimal(uint64_t number)
{
	print("0x");
	print_number(number, 16);
}
