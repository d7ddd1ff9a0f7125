/* What the settings of `control` mean; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_CONTROL_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_CONTROL_VALUES_H

#include <sys/socket.h>

#include "control/configuration/configuration.h"

/*
 * Where metrics are served: an address and a port, like 127.0.0.1:9157 or [::1]:9157.
 *
 * @settings: NULL is none
 * @address: receives it; its family is AF_UNSPEC if metrics are not to be served
 */
void values_of_metrics(const struct control_settings *settings, const char *path,
	struct sockaddr_storage *address, struct problems *problems);

#endif
