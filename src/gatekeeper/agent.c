#include "gatekeeper/agent.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "gatekeeper/agent_private.h"

/* That a guest hands over in one piece, to be segmented. */
#define PACKET_BYTES_MAX 65536.

/* ---- the thread ---- */

static void take_timer(struct agent *agent)
{
	uint64_t expirations = 0;

	if (read(agent->timer_fd, &expirations, sizeof expirations) < 0)
		return;
	if (expirations > 1)
		counter_add(&agent->counters.late_periods, expirations - 1);
	agent_run_period(agent);
}

/*
 * Guarantees wait for late periods, and vCPUs keep a host's cores busy. What a period does is
 * bounded, so it may go first; without the right, it takes its turn.
 */
static void run_before_others(void)
{
	const struct sched_param first = {.sched_priority = 1};

	(void)pthread_setschedparam(pthread_self(), SCHED_RR, &first);
}

static void *thread_main(void *argument)
{
	struct agent *agent = argument;
	struct pollfd events[] = {{agent->stop_fd, POLLIN, 0}, {agent->timer_fd, POLLIN, 0},
		{agent->socket, POLLIN, 0}, {netdev_watch_fd(agent->watch), POLLIN, 0}};

	pthread_setname_np(pthread_self(), "gatekeeper");
	run_before_others();
	for (;;) {
		events[2].fd = agent->datagrams_left ? agent->socket : -1;
		if (poll(events, sizeof events / sizeof *events, -1) < 0)
			continue;
		if (events[0].revents)
			return NULL;
		pthread_mutex_lock(&agent->lock);
		agent_look_at_netdevs(agent, clock_now_ns());
		if (events[1].revents)
			take_timer(agent);
		if (events[2].revents)
			agent_take_datagrams(agent);
		pthread_mutex_unlock(&agent->lock);
	}
}

/* ---- starting and stopping ---- */

/* When a host boots, its address may come after us. */
static int bind_socket(int fd, const struct sockaddr_in6 *listen)
{
	const struct sockaddr *address = (const struct sockaddr *)listen;
	char text[INET6_ADDRSTRLEN];
	const int is_free = 1;

	if (bind(fd, address, sizeof *listen) == 0)
		return 0;
	if (errno != EADDRNOTAVAIL ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &is_free, sizeof is_free) < 0 ||
		bind(fd, address, sizeof *listen) < 0)
		return -errno;
	log_warning("the agent's address %s is not this host's; other agents wait for it",
		address_format(&listen->sin6_addr, text));
	return 0;
}

static int open_socket(struct agent *agent, struct error *error)
{
	const struct sockaddr_in6 *listen = &agent->config.listen;
	char text[INET6_ADDRSTRLEN];
	int result;

	agent->socket = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	result = agent->socket < 0 ? -errno : bind_socket(agent->socket, listen);
	return result < 0 ? error_set(error, result, "the agent's address %s, UDP port %u: %s",
				    address_format(&listen->sin6_addr, text),
				    ntohs(listen->sin6_port), strerror(-result))
			  : 0;
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
		result = netdev_watch_open(&agent->watch, error);
	if (result == 0)
		result = agent_take_uplink(agent, error);
	if (result == 0 && !agent->uplink)
		log_warning("the uplink '%s' is not there; the network waits for it",
			agent->config.uplink);
	return result;
}

static void free_agent(struct agent *agent, bool is_final)
{
	agent_release_netdevs(agent, is_final);
	agent_forget_correspondents(agent);
	if (agent->watch)
		netdev_watch_close(agent->watch);
	if (agent->outbox)
		outbox_destroy(agent->outbox);
	inbound_destroy(&agent->inbound);
	inbound_destroy(&agent->local);
	directory_destroy(agent->directory);
	close(agent->socket);
	close(agent->timer_fd);
	close(agent->stop_fd);
	pthread_mutex_destroy(&agent->lock);
	free(agent);
}

/* Who holds it is not kept from its core by what the thread goes before. */
static void init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	(void)pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

static void set_up(struct agent *agent, const struct agent_config *config)
{
	double grain = PACKET_BYTES_MAX * (double)NS_PER_S / (double)config->period_ns;
	double link = (double)config->link_bytes_per_s;

	agent->config = *config;
	agent->socket = agent->timer_fd = agent->stop_fd = -1;
	agent->period_began_ns = agent->sends_measured_ns = clock_now_ns();
	agent->host.id = directory_id(config->host);
	memcpy(agent->host.name, config->host, sizeof agent->host.name);
	agent->envelope = (struct envelope){.host_id = agent->host.id, .epoch_ns = clock_real_ns()};
	TAILQ_INIT(&agent->nics);
	inbound_init(&agent->inbound, link, config->headroom, grain);
	inbound_init(&agent->local, link, 0, grain);
	init_lock(&agent->lock);
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
	created->outbox = outbox_create(agent_send_rates, created);
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
	agent->directory_generation++;
	outbox_forget(agent->outbox); /* the hosts it knows were the old one's */
	pthread_mutex_unlock(&agent->lock);
	directory_destroy(old);
}
