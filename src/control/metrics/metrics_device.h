/* What the devices of vNICs say to Prometheus. */
#ifndef SLUICE_CONTROL_METRICS_METRICS_DEVICE_H
#define SLUICE_CONTROL_METRICS_METRICS_DEVICE_H

#include <stdio.h>

#include "control/host/host.h"

void metrics_write_devices(FILE *to, const struct host *host);

#endif
