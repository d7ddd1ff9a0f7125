/* Text to the serial port, byte by byte. */
#ifndef SLUICE_BARE_PRINT_H
#define SLUICE_BARE_PRINT_H

#include <stdint.h>

void print_set_up(void);

void print(const char *text);
void print_decimal(uint64_t number);
void print_hexadecimal(uint64_t number);

#endif
