/*
 * A host's agent: every period it measures what its vNICs receive, divides the link, and tells the
 * senders' hosts; and it holds its own vNICs to what other hosts' agents say.
 *
 * Theory of operation. One thread waits for the period's timer and the socket. Control calls take the
 * agent's lock, which the thread holds while it works, well under a period. All the deciding is in
 * inbound.h and rate_limit.h; here are clocks, sockets and what must be undone.
 */
#ifndef SLUICE_GATEKEEPER_AGENT_H
#define SLUICE_GATEKEEPER_AGENT_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "gatekeeper/datagram/envelope.h"
#include "gatekeeper/directory.h"
#include "gatekeeper/nic.h"

#define AGENT_PORT_DEFAULT 5157u

struct agent_config {
	char host[DIRECTORY_NAME_BYTES]; /* this one's name */
	char uplink[IFNAMSIZ];
	uint64_t link_bytes_per_s;
	double headroom; /* the part of the link that is not given away */
	uint64_t period_ns;
	struct sockaddr_in6 listen; /* its address is waited for */
	uint8_t key[ENVELOPE_KEY_BYTES];
	const char *state_directory; /* as of shaper_open; must outlive the agent */
};

/* What the agent has done; written by its thread, readable by any. */
struct agent_counters {
	uint64_t periods;
	uint64_t late_periods; /* that began when the next one was due */
	uint64_t datagrams_sent;
	uint64_t bytes_sent;
	uint64_t datagrams_received;
	uint64_t refused_forged;   /* not sealed with our key, or no datagram of ours */
	uint64_t refused_replayed; /* authentic, but not new */
	uint64_t refused_unknown;  /* authentic, from no host, nor where it is, or to no vNIC */
	uint64_t failed_limits;	   /* that could not be applied */
};

struct agent;

/*
 * Start the agent of this host.
 *
 * @config: copied
 * @directory: the agent's from now on, whatever happens
 * Returns 0 or a negative errno with the reason in `error`.
 */
int agent_start(const struct agent_config *config, struct directory *directory,
	struct agent **agent, struct error *error);

/*
 * End the agent and free it.
 *
 * @is_final: take classes and programs off the netdevs; otherwise they stay in force for a successor
 */
void agent_stop(struct agent *agent, bool is_final);

/* From now on, this is who is where. @directory: the agent's */
void agent_set_directory(struct agent *agent, struct directory *directory);

/*
 * Add a vNIC. A netdev that is not there is waited for; one that has vanished, too.
 *
 * Returns 0; -EEXIST for a name, netdev or address that is another's; -ENOSPC if the link cannot keep its
 * minimums besides the others', with what is missing; or a negative errno for a netdev that cannot be
 * taken; with the reason in `error`.
 */
int agent_add_nic(struct agent *agent, const struct nic_config *config, struct error *error);

/*
 * Change the promises and addresses of the vNIC of that name; running traffic feels it at once. Errors
 * as agent_add_nic; -ENOENT if there is none; -EINVAL for another netdev.
 */
int agent_set_nic(struct agent *agent, const struct nic_config *config, struct error *error);

/* Let go of a vNIC and put its netdev back as it was. Returns 0, or -ENOENT with the name in `error`. */
int agent_remove_nic(struct agent *agent, const char *name, struct error *error);

#endif
