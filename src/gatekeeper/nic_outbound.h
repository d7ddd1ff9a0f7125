/*
 * What a vNIC may send at most, wherever it goes. Most of it leaves by the uplink, where a class has that
 * ceiling; but what goes to neighbours on the same host never gets there.
 *
 * Theory of operation. While a capped vNIC sends to neighbours, its maximum is divided among all that it
 * sends to, as a link is among those who send to it (inbound.h). A neighbour's part is held at the
 * neighbour's netdev; the parts of all others together become the class's ceiling.
 */
#ifndef SLUICE_GATEKEEPER_NIC_OUTBOUND_H
#define SLUICE_GATEKEEPER_NIC_OUTBOUND_H

#include "gatekeeper/allocation/inbound.h"
#include "gatekeeper/nic_peers.h"

struct nic_outbound {
	struct inbound division;
	struct inbound_nic nic;
	double ceil; /* of what leaves by the uplink; bytes per second, INFINITY: no maximum */
};

/*
 * @most: bytes per second; INFINITY: no maximum
 * @grain: as of inbound_init
 * Returns 0 or -ENOMEM.
 */
int nic_outbound_init(struct nic_outbound *outbound, double most, double grain);
void nic_outbound_destroy(struct nic_outbound *outbound);

/* Change the maximum. */
void nic_outbound_set(struct nic_outbound *outbound, double most);

/* Divide anew, after `destinations`, which all take part, have been measured. */
void nic_outbound_divide(struct nic_outbound *outbound, const struct nic_peers *destinations);

#endif
