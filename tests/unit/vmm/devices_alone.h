/*
 * Devices without a VM: a register map and an exit service that are just enough for them, so that a test drives a device
 * as a guest would. The sidecore is a real one.
 */
#ifndef SLUICE_TESTS_DEVICES_ALONE_H
#define SLUICE_TESTS_DEVICES_ALONE_H

#include <stdint.h>

#include "vmm/exits/exit_service.h"
#include "vmm/exits/registers.h"

struct exit_service *service_alone_create(struct sidecore *sidecore);
void service_alone_destroy(struct exit_service *service);

/* Accesses of one byte to a port, as by a guest; all ones if no device has it. */
uint8_t port_in(struct exit_service *service, struct registers *registers, uint16_t port);
void port_out(
	struct exit_service *service, struct registers *registers, uint16_t port, uint8_t value);

#endif
