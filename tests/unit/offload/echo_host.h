/* A module's host whose module echoes, over a socket or a device's memory in files that look like sysfs. */
#ifndef SLUICE_TESTS_ECHO_HOST_H
#define SLUICE_TESTS_ECHO_HOST_H

#include <limits.h>
#include <stdbool.h>

#include "offload/channel/channel_server.h"

#define ECHO_PCI_ADDRESS "0000:00:05.0"

/* What a request says to do, in its first byte. */
enum echo_order {
	ECHO = 'e',	  /* the request is the reply */
	ECHO_LATER = 'l', /* likewise, but from a timer */
	ECHO_LARGE = 'L', /* as many bytes as the next 4 say */
	ECHO_NEVER = 'n',
	ECHO_HANG_UP = 'h',
};

struct echo_host {
	char directory[PATH_MAX]; /* a temporary one, for all that is here */
	char socket_path[PATH_MAX + 16];
	char region_path[PATH_MAX + 64];
	char machine_path[PATH_MAX + 16]; /* on PCI: the socket for the machine that it is in */
	char where[PATH_MAX + 32];	  /* of the socket, for channel_open */
	bool is_pci;
	struct channel_server_config config;
	int cpu; /* of its sidecore */
	struct sidecore *sidecore;
	struct channel_server *server;
	uint64_t connected, disconnected; /* written by the sidecore */
	bool refuses;			  /* clients; may be changed at any time */
};

/* Make the directory, and a configuration to change before echo_host_start. */
void echo_host_init(struct echo_host *host, bool is_pci);
void echo_host_start(struct echo_host *host);
void echo_host_stop(struct echo_host *host);

/* A channel to it; close it with channel_close. */
struct channel *echo_host_open_channel(const struct echo_host *host);

/* Stop it, if need be, and remove the directory. */
void echo_host_end(struct echo_host *host);

/* Wait until so many connections are open. */
void echo_host_await(struct echo_host *host, unsigned connections);

#endif
