/*
 * A module's clients: what a channel's server says of them on the sidecore, as calls of the module.
 *
 * Theory of operation. Each place for a connection has a session, in memory from the start. A request is tried on the sidecore; if the
 * module would have to wait, a worker calls it again, and the answer comes back to the sidecore by a message. A client that goes
 * meanwhile leaves its session to the worker; what is unfinished is given up by a worker in any case, and only then is the
 * connection's place another's. So there is at most one job per place, and as many workers as places are always enough: nobody who
 * waits for another's lock can keep that one from giving it up.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_SERVICE_H
#define SLUICE_OFFLOAD_HOST_MODULE_SERVICE_H

#include "offload/channel/channel_server.h"
#include "offload/host/worker_pool.h"
#include "offload/module.h"

struct module_service;

struct module_service_config {
	const struct sluice_module *module;
	void *instance;		     /* that `open` has made */
	struct worker_pool *workers; /* of the servers' sidecore; as many as there are places */
	unsigned server_count;	     /* channel servers that its clients come by */
	uint32_t connections_max, message_bytes_max; /* of each of them, as in its configuration */
};

struct module_service_counters {
	uint64_t would_wait;
	uint64_t hung_up;
};

/* What a channel server is given, with module_service_context as the context. */
extern const struct channel_server_handlers module_service_handlers;

/* Returns 0, or a negative errno with the reason in `error`. */
int module_service_create(const struct module_service_config *config,
	struct module_service **service, struct error *error);

/* After all its servers have been destroyed. NULL is ignored. */
void module_service_destroy(struct module_service *service);

/* For the server of that number, from 0. */
void *module_service_context(struct module_service *service, unsigned server);

/* Any thread may read them. */
const struct module_service_counters *module_service_counters(const struct module_service *service);

#endif
