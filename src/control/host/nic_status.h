/* What the vNICs of this host do at present, whether there is a network or not. */
#ifndef SLUICE_CONTROL_HOST_NIC_STATUS_H
#define SLUICE_CONTROL_HOST_NIC_STATUS_H

#include "control/host/host.h"
#include "gatekeeper/agent_status.h"

/*
 * As agent_status, of the host's agent. Without a network there are the vNICs alone, and nothing is
 * known of their traffic here; their devices know.
 */
int nic_status(const struct host *host, struct agent_status **status, struct error *error);

#endif
