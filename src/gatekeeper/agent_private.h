/*
 * What the agent's files share: deciding and telling (agent_period.c), being told (agent_inbox.c),
 * vNICs and their netdevs (agent_nics.c), what is shown of it (agent_status.c), starting and stopping
 * (agent.c).
 */
#ifndef SLUICE_GATEKEEPER_AGENT_PRIVATE_H
#define SLUICE_GATEKEEPER_AGENT_PRIVATE_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/key_map.h"
#include "gatekeeper/agent.h"
#include "gatekeeper/datagram/outbox.h"
#include "gatekeeper/netdev/netdev_watch.h"

struct agent {
	struct agent_config config;
	struct directory_host host; /* this one */
	struct agent_counters counters;
	struct directory *directory;
	unsigned directory_generation;
	struct shaper *uplink; /* NULL: it is not there */
	int uplink_ifindex;
	char uplink_trouble[ERROR_MESSAGE_BYTES]; /* why it is not, as was said last */
	struct outbox *outbox;
	struct inbound inbound; /* how the link is divided */
	struct inbound local;	/* and as much of what stays on the host */
	TAILQ_HEAD(, nic) nics;
	struct key_map correspondents; /* by host_id */
	struct envelope envelope;      /* of the next datagram */
	unsigned datagrams_left;       /* that may be taken in this period */
	uint64_t period_began_ns;
	uint64_t sends_measured_ns;
	uint64_t netdevs_looked_at_ns;
	struct netdev_watch *watch;
	int socket;
	int timer_fd;
	int stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
};

/* All with the lock held. */

struct nic_place agent_place(struct agent *agent);

/* The vNIC of this host that has an address; NULL if none has. */
struct nic *agent_nic_at(struct agent *agent, const struct in6_addr *address);

/* Keep a limit that host `told_by` has told. */
void agent_hold(struct agent *agent, struct nic_limits *limits, const struct directory_nic *peer,
	const char *told_by, double bytes_per_s);

/* Bring what is in force up to date with the limits as they are now. */
void agent_apply_limits(struct agent *agent, uint64_t now_ns);

/* Measure, divide, tell, apply. */
void agent_run_period(struct agent *agent);

/* To be called by the outbox. */
void agent_send_rates(void *context, const struct directory_host *host,
	const struct rate_entry *entries, unsigned count);

/* Of those that come in a period: a flood does not keep us from the next one. */
#define AGENT_DATAGRAMS_PER_PERIOD 512u

/* Take what has come from other agents. */
void agent_take_datagrams(struct agent *agent);

/* Forget what they have sent before, for which there is the memory. */
void agent_forget_correspondents(struct agent *agent);

/*
 * Take the uplink, if it is there. Returns 0, also if it is not; or a negative errno with the reason in
 * `error` if it cannot be taken.
 */
int agent_take_uplink(struct agent *agent, struct error *error);

/* Take netdevs that have come, and let go of those that have gone. */
void agent_look_at_netdevs(struct agent *agent, uint64_t now_ns);

/* Let go of all vNICs and the uplink. */
void agent_release_netdevs(struct agent *agent, bool is_final);

#endif
