#include "gatekeeper/agent.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "base/key_map.h"
#include "gatekeeper/outbox.h"
#include "gatekeeper/replay_window.h"

#define DATAGRAMS_PER_ROUND 64u

/* What another host's agent has sent before. */
struct correspondent {
	uint64_t host_id;
	struct replay_window window;
	struct key_map_node node;
};

struct agent {
	struct agent_config config;
	struct agent_counters counters;
	struct directory *directory;
	struct shaper *uplink;
	struct outbox *outbox;
	struct inbound inbound;
	TAILQ_HEAD(, nic) nics;
	struct key_map correspondents; /* by host_id */
	struct envelope envelope;      /* of the next datagram */
	uint64_t period_began_ns;
	int socket;
	int timer_fd;
	int stop_fd;
	pthread_t thread;
	pthread_mutex_t lock;
};

static struct nic_place place_of(struct agent *agent)
{
	return (struct nic_place){.uplink = agent->uplink,
		.link = agent->config.link_bytes_per_s,
		.inbound = &agent->inbound,
		.state_directory = agent->config.state_directory};
}

static struct nic *nic_of(struct agent *agent, const struct in6_addr *address)
{
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		if (nic_has_address(nic, address))
			return nic;
	return NULL;
}

/* A limit that is ours to keep. */
static void hold(struct agent *agent, struct nic_limits *limits, const struct in6_addr *peer,
	double bytes_per_s)
{
	if (nic_limits_tell(limits, peer, bytes_per_s, clock_now_ns()) < 0)
		counter_add(&agent->counters.failed_limits, 1);
}

/* ---- telling ---- */

static void tell_host(struct agent *agent, const struct directory_host *host, const struct nic *nic,
	const struct nic_sender *sender)
{
	struct rate_entry entry = {.source = sender->address, .bytes_per_s = RATE_UNLIMITED};

	if (!isinf(sender->pair.allowed))
		entry.bytes_per_s = (uint64_t)sender->pair.allowed + 1;
	for (unsigned i = 0; i < nic->config.address_count; i++) {
		entry.destination = nic->config.addresses[i];
		outbox_add(agent->outbox, host, &entry);
	}
}

/* Of a sender on this host, the limit is kept where the traffic passes: no datagram. */
static void tell(struct agent *agent, struct nic *nic, const struct nic_sender *sender)
{
	const struct directory_nic *remote;

	if (nic_of(agent, &sender->address)) {
		hold(agent, &nic->receives, &sender->address, sender->pair.allowed);
		return;
	}
	remote = directory_nic_at(agent->directory, &sender->address);
	if (remote)
		tell_host(agent, remote->host, nic, sender);
}

static void send_rates(void *context, const struct directory_host *host,
	const struct rate_entry *entries, unsigned count)
{
	struct agent *agent = context;
	uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX], datagram[ENVELOPE_BYTES_MAX];
	size_t bytes = rate_message_encode(entries, count, payload);

	agent->envelope.sequence++;
	agent->envelope.sent_ns = clock_real_ns();
	bytes = envelope_seal(agent->config.key, &agent->envelope, payload, bytes, datagram);
	/* What cannot be sent now is told again soon. */
	if (sendto(agent->socket, datagram, bytes, MSG_DONTWAIT,
		    (const struct sockaddr *)&host->endpoint, sizeof host->endpoint) < 0)
		return;
	counter_add(&agent->counters.datagrams_sent, 1);
	counter_add(&agent->counters.bytes_sent, bytes);
}

/* ---- one period ---- */

static void tell_senders(struct agent *agent, uint64_t now_ns)
{
	struct nic_sender *sender = NULL;
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		while ((sender = nic_next_sender(nic, sender)))
			if (announcement_is_due(&sender->announcement, sender->pair.allowed,
				    sender->pair.used, now_ns))
				tell(agent, nic, sender);
	outbox_flush(agent->outbox);
}

static void apply_limits(struct agent *agent, uint64_t now_ns)
{
	unsigned failures = 0;
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link) {
		failures += nic_limits_apply(&nic->sends, now_ns);
		failures += nic_limits_apply(&nic->receives, now_ns);
	}
	if (failures)
		counter_add(&agent->counters.failed_limits, failures);
}

static void run_period(struct agent *agent)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t period_ns = now_ns - agent->period_began_ns;
	struct nic *nic;

	agent->period_began_ns = now_ns;
	TAILQ_FOREACH (nic, &agent->nics, link)
		nic_measure(nic, &agent->inbound, period_ns, now_ns);
	inbound_divide(&agent->inbound);
	tell_senders(agent, now_ns);
	apply_limits(agent, now_ns);
	counter_add(&agent->counters.periods, 1);
}

/* ---- being told ---- */

static struct correspondent *add_correspondent(struct agent *agent, uint64_t host_id)
{
	struct correspondent *correspondent = calloc(1, sizeof *correspondent);

	if (!correspondent)
		return NULL;
	correspondent->host_id = host_id;
	if (key_map_add(&agent->correspondents, &correspondent->node, &correspondent->host_id,
		    sizeof host_id) < 0) {
		free(correspondent);
		return NULL;
	}
	return correspondent;
}

static struct correspondent *correspondent_of(struct agent *agent, uint64_t host_id)
{
	struct key_map_node *node = key_map_find(&agent->correspondents, &host_id, sizeof host_id);

	if (node)
		return container_of(node, struct correspondent, node);
	return directory_host_of(agent->directory, host_id) ? add_correspondent(agent, host_id)
							    : NULL;
}

/* A host may limit what is sent to addresses that it serves, and to no other. */
static void take_rate(struct agent *agent, uint64_t host_id, const struct rate_entry *entry)
{
	const struct directory_nic *receiver =
		directory_nic_at(agent->directory, &entry->destination);
	struct nic *nic = nic_of(agent, &entry->source);

	if (!nic || !receiver || receiver->host->id != host_id)
		counter_add(&agent->counters.refused_unknown, 1);
	else
		hold(agent, &nic->sends, &entry->destination,
			entry->bytes_per_s == RATE_UNLIMITED ? INFINITY
							     : (double)entry->bytes_per_s);
}

static void take_datagram(struct agent *agent, const uint8_t *datagram, size_t bytes)
{
	uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX];
	struct rate_entry entries[RATE_MESSAGE_ENTRIES_MAX];
	struct correspondent *correspondent;
	struct envelope envelope;
	int count = envelope_open(agent->config.key, datagram, bytes, &envelope, payload);

	if (count >= 0)
		count = rate_message_decode(payload, (size_t)count, entries);
	if (count < 0) {
		counter_add(&agent->counters.refused_forged, 1);
		return;
	}
	correspondent = correspondent_of(agent, envelope.host_id);
	if (!correspondent) {
		counter_add(&agent->counters.refused_unknown, 1);
		return;
	}
	if (replay_window_judge(&correspondent->window, &envelope, clock_real_ns()) != REPLAY_NEW) {
		counter_add(&agent->counters.refused_replayed, 1);
		return;
	}
	for (int i = 0; i < count; i++)
		take_rate(agent, envelope.host_id, &entries[i]);
}

/* At most so many at once, so that a flood of them does not keep us from our period. */
static void take_datagrams(struct agent *agent)
{
	uint8_t datagram[ENVELOPE_BYTES_MAX + 1];

	for (unsigned i = 0; i < DATAGRAMS_PER_ROUND; i++) {
		ssize_t bytes = recv(agent->socket, datagram, sizeof datagram, MSG_DONTWAIT);

		if (bytes < 0)
			break;
		counter_add(&agent->counters.datagrams_received, 1);
		take_datagram(agent, datagram, (size_t)bytes);
	}
	apply_limits(agent, clock_now_ns());
}

/* ---- the thread ---- */

static void take_timer(struct agent *agent)
{
	uint64_t expirations = 0;

	if (read(agent->timer_fd, &expirations, sizeof expirations) < 0)
		return;
	if (expirations > 1)
		counter_add(&agent->counters.late_periods, expirations - 1);
	run_period(agent);
}

static void *thread_main(void *argument)
{
	struct agent *agent = argument;
	struct pollfd events[] = {{agent->stop_fd, POLLIN, 0}, {agent->timer_fd, POLLIN, 0},
		{agent->socket, POLLIN, 0}};

	pthread_setname_np(pthread_self(), "gatekeeper");
	for (;;) {
		if (poll(events, sizeof events / sizeof *events, -1) < 0)
			continue;
		if (events[0].revents)
			return NULL;
		pthread_mutex_lock(&agent->lock);
		if (events[1].revents)
			take_timer(agent);
		if (events[2].revents)
			take_datagrams(agent);
		pthread_mutex_unlock(&agent->lock);
	}
}

/* ---- starting and stopping ---- */

static int open_socket(struct agent *agent, struct error *error)
{
	const struct sockaddr_in6 *address = &agent->config.listen;

	agent->socket = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (agent->socket < 0 ||
		bind(agent->socket, (const struct sockaddr *)address, sizeof *address) < 0)
		return error_set(error, -errno, "the agent's UDP port %u: %s",
			ntohs(address->sin6_port), strerror(errno));
	return 0;
}

static int open_timer(struct agent *agent, struct error *error)
{
	struct itimerspec every = {
		.it_interval = {.tv_nsec = (long)agent->config.period_ns},
		.it_value = {.tv_nsec = (long)agent->config.period_ns},
	};

	agent->stop_fd = eventfd(0, EFD_CLOEXEC);
	agent->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (agent->stop_fd < 0 || agent->timer_fd < 0 ||
		timerfd_settime(agent->timer_fd, 0, &every, NULL) < 0)
		return error_set(error, -errno, "the agent's timer: %s", strerror(errno));
	return 0;
}

static int open_all(struct agent *agent, struct error *error)
{
	int result = envelope_init();

	if (result < 0)
		return error_set(error, result, "libsodium cannot be used here");
	result = open_socket(agent, error);
	if (result == 0)
		result = open_timer(agent, error);
	if (result == 0)
		result = shaper_open(agent->config.uplink, agent->config.link_bytes_per_s,
			agent->config.state_directory, &agent->uplink, error);
	return result;
}

static void forget_correspondents(struct agent *agent)
{
	struct key_map_node *node;

	while ((node = key_map_next(&agent->correspondents, NULL))) {
		key_map_remove(&agent->correspondents, node);
		free(container_of(node, struct correspondent, node));
	}
}

static void free_agent(struct agent *agent, bool is_final)
{
	const struct nic_place place = place_of(agent);
	struct nic *nic;

	while ((nic = TAILQ_FIRST(&agent->nics))) {
		TAILQ_REMOVE(&agent->nics, nic, link);
		nic_close(nic, &place, is_final);
	}
	if (agent->uplink)
		(is_final ? shaper_remove : shaper_close)(agent->uplink);
	forget_correspondents(agent);
	if (agent->outbox)
		outbox_destroy(agent->outbox);
	inbound_destroy(&agent->inbound);
	directory_destroy(agent->directory);
	close(agent->socket);
	close(agent->timer_fd);
	close(agent->stop_fd);
	pthread_mutex_destroy(&agent->lock);
	free(agent);
}

static void set_up(struct agent *agent, const struct agent_config *config)
{
	agent->config = *config;
	agent->socket = agent->timer_fd = agent->stop_fd = -1;
	agent->period_began_ns = clock_now_ns();
	agent->envelope = (struct envelope){
		.host_id = directory_id(config->host), .epoch_ns = clock_real_ns()};
	TAILQ_INIT(&agent->nics);
	inbound_init(&agent->inbound, (double)config->link_bytes_per_s, config->headroom);
	pthread_mutex_init(&agent->lock, NULL);
}

int agent_start(const struct agent_config *config, struct directory *directory,
	struct agent **agent, struct error *error)
{
	struct agent *created = calloc(1, sizeof *created);
	int result;

	if (!created) {
		directory_destroy(directory);
		return error_set(error, -ENOMEM, "no memory for the agent");
	}
	set_up(created, config);
	created->directory = directory;
	created->outbox = outbox_create(send_rates, created);
	result = created->outbox ? open_all(created, error)
				 : error_set(error, -ENOMEM, "no memory for the agent");
	if (result == 0) {
		result = -pthread_create(&created->thread, NULL, thread_main, created);
		if (result < 0)
			error_set(error, result, "the agent's thread: %s", strerror(-result));
	}
	if (result < 0)
		free_agent(created, true);
	else
		*agent = created;
	return result;
}

void agent_stop(struct agent *agent, bool is_final)
{
	const uint64_t one = 1;

	while (write(agent->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	pthread_join(agent->thread, NULL);
	free_agent(agent, is_final);
}

void agent_set_directory(struct agent *agent, struct directory *directory)
{
	struct directory *old;

	pthread_mutex_lock(&agent->lock);
	old = agent->directory;
	agent->directory = directory;
	outbox_forget(agent->outbox); /* the hosts it knows were the old one's */
	pthread_mutex_unlock(&agent->lock);
	directory_destroy(old);
}

/* ---- vNICs ---- */

static struct nic *find_nic(struct agent *agent, const char *name)
{
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		if (strcmp(nic->config.name, name) == 0)
			return nic;
	return NULL;
}

/* The lowest slot that no vNIC has; NIC_SLOTS if all are taken. */
static unsigned free_slot(struct agent *agent)
{
	bool is_taken[NIC_SLOTS] = {false};
	unsigned slot = 0;
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		is_taken[nic->slot] = true;
	while (slot < NIC_SLOTS && is_taken[slot])
		slot++;
	return slot;
}

static int add_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	const struct nic_place place = place_of(agent);
	unsigned slot = free_slot(agent);
	struct nic *nic;
	int result;

	if (find_nic(agent, config->name))
		return error_set(error, -EEXIST, "there is a vNIC '%s' already", config->name);
	if (slot == NIC_SLOTS)
		return error_set(
			error, -ENOSPC, "a host can have %u vNICs, and has them", NIC_SLOTS);
	result = nic_open(config, slot, &place, &nic, error);
	if (result == 0)
		TAILQ_INSERT_TAIL(&agent->nics, nic, link);
	return result;
}

int agent_add_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	int result;

	pthread_mutex_lock(&agent->lock);
	result = add_nic(agent, config, error);
	pthread_mutex_unlock(&agent->lock);
	return result;
}

int agent_remove_nic(struct agent *agent, const char *name, struct error *error)
{
	const struct nic_place place = place_of(agent);
	struct nic *nic;

	pthread_mutex_lock(&agent->lock);
	nic = find_nic(agent, name);
	if (nic) {
		TAILQ_REMOVE(&agent->nics, nic, link);
		nic_close(nic, &place, true);
	}
	pthread_mutex_unlock(&agent->lock);
	return nic ? 0 : error_set(error, -ENOENT, "there is no vNIC '%s'", name);
}

const struct agent_counters *agent_counters(const struct agent *agent)
{
	return &agent->counters;
}
