#include "cluster/cluster.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_source.h"
#include "cluster/cluster_cache.h"
#include "cluster/cluster_state.h"
#include "cluster/etcd_keys.h"
#include "cluster/etcd_watch.h"
#include "cluster/outage.h"
#include "cluster/registration.h"

#define WAIT_NS_MAX (10 * NS_PER_S)
#define BEGIN_NS_MAX (2 * NS_PER_S)

/* Something that follows from what is known: done when that changes, but it may only take so much time. */
struct consequence {
	uint64_t every_ns; /* at most */
	uint64_t version;  /* of the state that it was last done for */
	uint64_t next_ns;
};

struct cluster {
	struct cluster_config config;
	struct agent *agent;
	struct etcd_client *client;
	struct cluster_state *state;
	struct registration *registration;
	char host_key[ETCD_KEY_BYTES_MAX + 1]; /* and what we put there */
	char *host_value;
	struct log_source log;
	struct etcd_watch watch;
	bool is_read;	     /* everything, since history was last lost */
	bool is_watching;    /* a watch has been opened */
	uint64_t watch_ns;   /* when that was */
	uint64_t cluster_id; /* of the cluster that was read */
	struct outage outage;
	struct consequence directory, cache;
	atomic_bool is_stopped;
	pthread_t thread;
	pthread_mutex_t lock; /* of the status */
	struct cluster_status status;
};

/* ---- what follows from what is known ---- */

static void give_directory(struct cluster *cluster)
{
	struct directory *directory = cluster_state_directory(cluster->state);

	if (directory)
		agent_set_directory(cluster->agent, directory);
}

static void save(struct cluster *cluster)
{
	struct error error;

	if (cluster_cache_save(cluster->state, cluster->config.cache, &error) < 0)
		log_warning("%s", error.message);
}

static bool is_due(const struct consequence *consequence, const struct cluster *cluster)
{
	return consequence->version != cluster_state_version(cluster->state);
}

/* What takes long is done seldom, so that a storm of changes costs a tenth of the thread's time. */
static void draw(struct cluster *cluster, struct consequence *consequence,
	void (*act)(struct cluster *cluster))
{
	uint64_t began_ns = clock_now_ns(), took_ns;

	if (!is_due(consequence, cluster) || began_ns < consequence->next_ns)
		return;
	consequence->version = cluster_state_version(cluster->state);
	act(cluster);
	took_ns = clock_now_ns() - began_ns;
	consequence->next_ns = began_ns + consequence->every_ns + 10 * took_ns;
}

/* ---- the status ---- */

static void update_status(struct cluster *cluster, bool is_connected)
{
	struct cluster_status *status = &cluster->status;

	pthread_mutex_lock(&cluster->lock);
	if (status->is_connected != is_connected)
		status->since_ns = clock_now_ns();
	status->is_connected = is_connected;
	snprintf(status->member, sizeof status->member, "%s", etcd_client_member(cluster->client));
	status->revision = cluster->watch.revision;
	status->hosts = cluster_state_count(cluster->state, CLUSTER_HOST);
	status->nics = cluster_state_count(cluster->state, CLUSTER_NIC);
	pthread_mutex_unlock(&cluster->lock);
}

static void note_failure_in_status(struct cluster *cluster, const char *reason)
{
	pthread_mutex_lock(&cluster->lock);
	snprintf(cluster->status.failure, sizeof cluster->status.failure, "%s: %s",
		etcd_client_member(cluster->client), reason);
	pthread_mutex_unlock(&cluster->lock);
}

void cluster_status(struct cluster *cluster, struct cluster_status *status)
{
	pthread_mutex_lock(&cluster->lock);
	*status = cluster->status;
	pthread_mutex_unlock(&cluster->lock);
}

/* ---- reading and watching ---- */

/* Of two hosts with one name, each would be told what is meant for the other. */
static void look_for_namesake(struct cluster *cluster, const struct etcd_pair *pair)
{
	if (strcmp(pair->key, cluster->host_key) == 0 &&
		strcmp(pair->value, cluster->host_value) != 0)
		log_from(&cluster->log, LOG_LEVEL_WARNING,
			"another host is named '%s', too; give each a 'host' of its own",
			cluster->config.host.host.name);
}

/* A key of ours that has gone without our doing is put again. */
static void take_change(void *context, const struct etcd_pair *pair)
{
	struct cluster *cluster = context;

	cluster_state_take(cluster->state, pair);
	if (pair->is_deleted)
		registration_notice(cluster->registration, pair->key);
	else
		look_for_namesake(cluster, pair);
}

static void take_read(void *context, const struct etcd_pair *pair)
{
	cluster_state_take(context, pair);
}

static int read_all(struct cluster *cluster, struct error *error)
{
	struct etcd_header header;
	int result;

	cluster_state_begin_reading(cluster->state);
	result = etcd_read_all(cluster->client, cluster->config.etcd.prefix, take_read,
		cluster->state, &header, error);
	if (result < 0)
		return result;
	cluster_state_end_reading(cluster->state);
	cluster->cluster_id = header.cluster_id;
	cluster->watch.revision = header.revision;
	cluster->is_read = true;
	return 0;
}

/* A cluster that was set back has another history than the one we have seen. */
static int check_history(struct cluster *cluster, struct error *error)
{
	struct etcd_header header;
	int result = etcd_read_header(cluster->client, cluster->config.etcd.prefix, &header, error);

	if (result < 0)
		return result;
	if (header.cluster_id == cluster->cluster_id && header.revision >= cluster->watch.revision)
		return 0;
	cluster->is_read = false;
	registration_begin_anew(cluster->registration);
	return 0;
}

static int open_watch(struct cluster *cluster, struct error *error)
{
	int result = 0;

	if (cluster->is_read)
		result = check_history(cluster, error);
	if (result == 0 && !cluster->is_read)
		result = read_all(cluster, error);
	if (result == 0)
		result = etcd_watch_open(
			&cluster->watch, cluster->client, cluster->config.etcd.prefix, error);
	cluster->is_watching = result == 0;
	cluster->watch_ns = clock_now_ns();
	return result;
}

/* The watch has ended. That what it asked for is not known any more is no fault of the member's. */
static int resume(struct cluster *cluster, struct error *error)
{
	if (cluster->watch.is_history_gone) {
		cluster->is_read = false;
		return open_watch(cluster, error);
	}
	return *cluster->watch.reason ? error_set(error, -EIO, "%s", cluster->watch.reason) : -EIO;
}

/* A watch that is not answered is on a member that does not answer. */
static int keep_watch(struct cluster *cluster, struct error *error)
{
	const struct etcd_watch *watch = &cluster->watch;

	if (!cluster->is_watching)
		return open_watch(cluster, error);
	if (!etcd_client_has_stream(cluster->client, error))
		return resume(cluster, error);
	if (!watch->is_created && clock_now_ns() - cluster->watch_ns > BEGIN_NS_MAX)
		return error_set(error, -ETIMEDOUT, "does not begin to watch");
	return 0;
}

/* ---- the thread ---- */

static void note_failure(struct cluster *cluster, const char *reason)
{
	bool is_news = outage_note_failure(&cluster->outage, clock_now_ns());

	note_failure_in_status(cluster, reason);
	log_debug("etcd at %s: %s", etcd_client_member(cluster->client), reason);
	if (is_news)
		log_warning("etcd is away (%s: %s); what was known of the cluster stays in force",
			etcd_client_member(cluster->client), reason);
	cluster->is_watching = false;
	etcd_watch_close(&cluster->watch, cluster->client);
	etcd_client_next_member(cluster->client);
	update_status(cluster, cluster->status.is_connected && !cluster->outage.is_away);
}

static void note_success(struct cluster *cluster)
{
	bool is_connected = cluster->watch.is_created;

	if (is_connected && !cluster->status.is_connected)
		log_info("etcd is there (%s): %u hosts, %u vNICs",
			etcd_client_member(cluster->client),
			cluster_state_count(cluster->state, CLUSTER_HOST),
			cluster_state_count(cluster->state, CLUSTER_NIC));
	if (is_connected)
		outage_note_success(&cluster->outage);
	update_status(cluster, is_connected || cluster->status.is_connected);
}

static void work(struct cluster *cluster)
{
	struct error error = {""};
	int result;

	if (clock_now_ns() < cluster->outage.retry_ns)
		return;
	result = keep_watch(cluster, &error);
	if (result == 0)
		result = registration_keep(
			cluster->registration, cluster->client, clock_now_ns(), &error);
	if (atomic_load(&cluster->is_stopped))
		return;
	if (result < 0)
		note_failure(cluster, error.message);
	else
		note_success(cluster);
}

static uint64_t earlier(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

static uint64_t next_due_ns(struct cluster *cluster, uint64_t now_ns)
{
	uint64_t due_ns = now_ns + WAIT_NS_MAX;

	if (is_due(&cluster->directory, cluster))
		due_ns = earlier(due_ns, cluster->directory.next_ns);
	if (is_due(&cluster->cache, cluster))
		due_ns = earlier(due_ns, cluster->cache.next_ns);
	if (now_ns < cluster->outage.retry_ns)
		return earlier(due_ns, cluster->outage.retry_ns);
	if (!cluster->is_watching)
		return now_ns;
	if (!cluster->watch.is_created)
		due_ns = earlier(due_ns, cluster->watch_ns + BEGIN_NS_MAX + NS_PER_MS);
	return earlier(due_ns, registration_due_ns(cluster->registration));
}

static void *thread_main(void *argument)
{
	struct cluster *cluster = argument;
	uint64_t now_ns, due_ns;

	pthread_setname_np(pthread_self(), "cluster");
	while (!atomic_load(&cluster->is_stopped)) {
		work(cluster);
		draw(cluster, &cluster->directory, give_directory);
		draw(cluster, &cluster->cache, save);
		now_ns = clock_now_ns();
		due_ns = next_due_ns(cluster, now_ns);
		etcd_client_wait(cluster->client,
			due_ns > now_ns ? (unsigned)((due_ns - now_ns) / NS_PER_MS + 1) : 0);
	}
	if (is_due(&cluster->cache, cluster))
		save(cluster);
	return NULL;
}

/* ---- vNICs ---- */

int cluster_set_nic(struct cluster *cluster, const struct nic_config *config)
{
	char key[ETCD_KEY_BYTES_MAX + 1];
	char *value = cluster_nic_value(config);
	int result = -ENOMEM;

	cluster_nic_key(
		cluster->config.etcd.prefix, cluster->config.host.host.name, config->name, key);
	if (value)
		result = registration_set(cluster->registration, key, value);
	free(value);
	etcd_client_wake(cluster->client);
	return result;
}

void cluster_remove_nic(struct cluster *cluster, const char *name)
{
	char key[ETCD_KEY_BYTES_MAX + 1];

	cluster_nic_key(cluster->config.etcd.prefix, cluster->config.host.host.name, name, key);
	registration_set(cluster->registration, key, NULL);
	etcd_client_wake(cluster->client);
}

/* ---- starting and stopping ---- */

static int register_host(struct cluster *cluster)
{
	const struct cluster_host *host = &cluster->config.host;

	cluster_host_key(cluster->config.etcd.prefix, host->host.name, cluster->host_key);
	cluster->host_value = cluster_host_value(host);
	if (!cluster->host_value)
		return -ENOMEM;
	return registration_set(cluster->registration, cluster->host_key, cluster->host_value);
}

static void load(struct cluster *cluster)
{
	struct error error;
	int result = cluster_cache_load(cluster->state, cluster->config.cache, &error);

	if (result < 0 && result != -ENOENT)
		log_warning("%s; it is ignored from there on", error.message);
	cluster->cache.version = cluster_state_version(cluster->state);
	draw(cluster, &cluster->directory, give_directory);
}

static int set_up(struct cluster *cluster)
{
	const struct etcd_config *etcd = &cluster->config.etcd;
	int result = etcd_client_create(etcd, &cluster->client);

	cluster->state = cluster_state_create(etcd->prefix);
	cluster->registration = registration_create(etcd->lease_s);
	if (result < 0 || !cluster->state || !cluster->registration)
		return -ENOMEM;
	cluster->outage.members = etcd->endpoint_count;
	cluster->log.name = "cluster";
	cluster->watch.handler = take_change;
	cluster->watch.context = cluster;
	cluster->directory.every_ns = 100 * NS_PER_MS;
	cluster->cache.every_ns = NS_PER_S;
	cluster->status.since_ns = clock_now_ns();
	return register_host(cluster);
}

static void free_cluster(struct cluster *cluster)
{
	if (cluster->client) {
		etcd_watch_close(&cluster->watch, cluster->client);
		etcd_client_destroy(cluster->client);
	}
	if (cluster->state)
		cluster_state_destroy(cluster->state);
	if (cluster->registration)
		registration_destroy(cluster->registration);
	pthread_mutex_destroy(&cluster->lock);
	free(cluster->host_value);
	free(cluster);
}

int cluster_start(const struct cluster_config *config, struct agent *agent,
	struct cluster **cluster, struct error *error)
{
	struct cluster *created = calloc(1, sizeof *created);
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "no memory for the cluster");
	created->config = *config;
	created->agent = agent;
	pthread_mutex_init(&created->lock, NULL);
	result = set_up(created);
	if (result == 0) {
		load(created);
		result = -pthread_create(&created->thread, NULL, thread_main, created);
	}
	if (result < 0) {
		error_set(error, result, "etcd cannot be watched: %s", strerror(-result));
		free_cluster(created);
		return result;
	}
	*cluster = created;
	return 0;
}

static void say_goodbye(struct cluster *cluster)
{
	struct error error;

	etcd_client_stop(cluster->client, false);
	if (registration_end(cluster->registration, cluster->client, &error) < 0)
		log_warning("etcd cannot be told that this host is gone: %s", error.message);
}

void cluster_stop(struct cluster *cluster, bool is_final)
{
	atomic_store(&cluster->is_stopped, true);
	etcd_client_stop(cluster->client, true);
	pthread_join(cluster->thread, NULL);
	if (is_final)
		say_goodbye(cluster);
	free_cluster(cluster);
}
