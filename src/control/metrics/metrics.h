/* What this host tells Prometheus. No sockets here; see metrics_server.h. */
#ifndef SLUICE_CONTROL_METRICS_METRICS_H
#define SLUICE_CONTROL_METRICS_METRICS_H

#include <stddef.h>

#include "control/host/host.h"

/*
 * All metrics of a host, as text to be freed with free().
 *
 * @length: receives the text's, without a terminator
 * Returns NULL if there is no memory.
 */
char *metrics_text(const struct host *host, size_t *length);

#endif
