/* Printing what the daemon says about vNICs and the network. */
#ifndef SLUICE_CLI_NIC_SHOW_H
#define SLUICE_CLI_NIC_SHOW_H

#include <jansson.h>
#include <stdio.h>

void nic_show_list(const json_t *nics, FILE *to);
void nic_show(const json_t *nic, FILE *to);
void net_show(const json_t *network, FILE *to);

/* The network in a line, and its vNICs with their pairs, busiest first. Sorts `nics` for that. */
void net_show_traffic(const json_t *network, json_t *nics, FILE *to);

#endif
