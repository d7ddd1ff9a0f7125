/*
 * A 16550A serial port: the guest's console. What the guest writes goes to a descriptor (a terminal, a
 * pipe, a file), what can be read from another one goes to the guest.
 *
 * Theory of operation. All of it runs where exits are handled (exits/exit_service.h). Characters go to and come
 * from a serial_line.h, which buffers them. While a slow terminal keeps the output's buffer full the port says
 * that it cannot take more, so nothing is lost and nobody but the writer waits; a guest that writes
 * regardless loses what it writes. Input is let in only while the guest asserts RTS ("ready to
 * receive"), so what is typed, or piped, before it listens is not lost either. Registers are those of National
 * Semiconductor's PC16550D.
 */
#ifndef SLUICE_VMM_DEVICES_SERIAL_H
#define SLUICE_VMM_DEVICES_SERIAL_H

#include "base/error.h"
#include "vmm/exits/exit_service.h"
#include "vmm/exits/registers.h"

struct serial_config {
	int input_fd;	  /* -1: none; a nonblocking one is not needed */
	int output_fd;	  /* -1: what is written goes nowhere */
	int interrupt_fd; /* raises its line: interrupts_line(LAYOUT_GSI_SERIAL) */
};

struct serial;

/*
 * Adds its registers at LAYOUT_PORT_SERIAL, and begins to read. The service's sidecore must run.
 * Returns 0 or a negative errno with `error` set.
 */
int serial_create(const struct serial_config *config, struct registers *registers,
	struct exit_service *service, struct serial **serial, struct error *error);

/* Writes what is left, unless that takes longer than a second. While no vCPU runs. */
void serial_destroy(struct serial *serial);

#endif
