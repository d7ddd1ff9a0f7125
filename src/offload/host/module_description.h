/*
 * A module to run, as sluiced tells it to the program that does, sluice-module: plain values, all paths whole. It goes over
 * the link between both as it is in memory, since both are of one build; `version` is there to notice when they aren't.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_DESCRIPTION_H
#define SLUICE_OFFLOAD_HOST_MODULE_DESCRIPTION_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "offload/module.h"

#define MODULE_NAME_BYTES 32u /* of its sidecore, too */
#define MODULE_SOCKET_BYTES 108u
#define MODULE_OPTIONS_MAX 64u
#define MODULE_OPTION_BYTES 256u
#define MODULE_CONNECTIONS_MAX 1024u
#define MODULE_GROUP_BYTES 64u
#define MODULE_GROUP_DEFAULT "sluice"
#define MODULE_USER_DEFAULT "sluice-module"

/* Of a module that has a CPU of its own: about as long as a client thinks between two requests of a transaction. */
#define MODULE_POLL_NS_ON_OWN_CPU 200000u

struct module_description {
	char version[32]; /* SLUICE_VERSION of who wrote it */
	char name[MODULE_NAME_BYTES];
	char library[PATH_MAX];	  /* the shared object */
	char directory[PATH_MAX]; /* its own */
	char socket[MODULE_SOCKET_BYTES];
	char group
		[MODULE_GROUP_BYTES]; /* of the socket; empty: the default, if there is such a group */
	char region[PATH_MAX];	      /* file of a VM's region; empty: none */
	char doorbell
		[MODULE_SOCKET_BYTES]; /* where its machine gets the doorbell; empty: there is no region */
	char user[LOGIN_NAME_MAX]; /* empty: the default */
	int cpu;		   /* of its sidecore, or SIDECORE_NOT_PINNED */
	uint64_t poll_ns_max;
	uint32_t connections;	      /* at one time, of the socket and of the region each */
	uint64_t memory_bytes_max;    /* 0: no limit */
	uint32_t cpu_thousandths_max; /* of a CPU; 0: no limit */
	uint32_t option_count;
	char options[MODULE_OPTIONS_MAX][MODULE_OPTION_BYTES]; /* NAME=VALUE */
};

/*
 * Whether what has been received is one: complete, of this version, within its bounds, with all texts ended. Returns 0, or
 * -EPROTO with the reason in `error`.
 */
int module_description_check(
	const struct module_description *description, size_t bytes, struct error *error);

/* Cut an option into name and value, which lie in `text` from then on; without '=' the value is empty. */
struct module_option module_description_option(char text[MODULE_OPTION_BYTES]);

#endif
