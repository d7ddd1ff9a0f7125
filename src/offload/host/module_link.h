/*
 * What sluiced and a module's process say to each other over their link, a socket of packets: first sluiced sends a
 * struct module_description and the process, when it serves or cannot, its first report; then sluiced sends pings, numbers, and the process
 * answers each with a report by way of its sidecore, and with the descriptors of the machine that its region is in, if one is there: sluiced
 * keeps them for the next process. When the link is closed, the process closes its module and ends.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_LINK_H
#define SLUICE_OFFLOAD_HOST_MODULE_LINK_H

#include <stdint.h>

#define MODULE_LINK_FD 3
#define MODULE_TEXT_BYTES 4096u

enum module_report_kind { MODULE_READY, MODULE_FAILED, MODULE_ALIVE };

struct module_counters {
	uint64_t connections; /* open now */
	uint64_t connections_total;
	uint64_t requests;
	uint64_t would_wait; /* of them, those that a worker took */
	uint64_t hung_up;    /* connections that the module has ended */
	uint64_t broken;     /* those that broke the channel's protocol */
	uint64_t workers;    /* threads, now */
	uint64_t doorbells;
	uint64_t calls;
	uint64_t bytes_received;
	uint64_t bytes_sent;
	uint64_t cpu_ns; /* of the sidecore */
};

struct module_report {
	uint32_t kind;
	uint32_t reserved;
	struct module_counters counters;
	char text[MODULE_TEXT_BYTES]; /* why it failed; or the module's own status */
};

#endif
