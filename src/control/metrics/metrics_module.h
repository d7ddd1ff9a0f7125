/* Metrics of modules. */
#ifndef SLUICE_CONTROL_METRICS_METRICS_MODULE_H
#define SLUICE_CONTROL_METRICS_METRICS_MODULE_H

#include <stdio.h>

#include "control/host/host.h"

void metrics_write_modules(FILE *to, const struct host *host);

#endif
