/*
 * What a serial port is connected to: a descriptor that its characters are written to, and one that they are
 * read from, by the hypervisor core's io_uring.
 *
 * Theory of operation. One buffer is filled while the other is written. What is read waits until the
 * port takes it; only when all of it is gone is more read, so whoever sends is held up, and nothing is lost.
 * Functions run where exits are handled (exits/exit_service.h), which may be another thread than the
 * sidecore's; operations are begun on that, by a message.
 */
#ifndef SLUICE_VMM_DEVICES_SERIAL_LINE_H
#define SLUICE_VMM_DEVICES_SERIAL_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/exits/exit_service.h"

struct serial_line_config {
	int input_fd, output_fd; /* -1: none */
	struct exit_service *service;
	/* Characters have been written, or have come. Called where exits are handled. */
	void (*changed)(void *context);
	void *context;
};

struct serial_line;

/* Begins to read. Returns 0 or a negative errno with `error` set. */
int serial_line_create(
	const struct serial_line_config *config, struct serial_line **line, struct error *error);

/* From any thread but the sidecore's. Takes a second at most for output that is not written yet. */
void serial_line_destroy(struct serial_line *line);

/* How many characters there is room for. */
unsigned serial_line_room(const struct serial_line *line);

/* One for which there is no room is lost; where nobody takes output, all are. */
void serial_line_send(struct serial_line *line, uint8_t byte);

/* Are characters on their way, so that `changed` will be called? */
bool serial_line_is_sending(const struct serial_line *line);

bool serial_line_has_input(const struct serial_line *line);

/* Only if there is input. */
uint8_t serial_line_receive(struct serial_line *line);

#endif
