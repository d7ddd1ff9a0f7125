#include "control/host/host_reload_network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/configuration/device_values.h"
#include "control/configuration/network_values.h"

/* ---- what is fixed ---- */

/* As text, to be freed; it has no end but its length. */
static char *network_text(const struct network_settings *settings, size_t *length)
{
	const struct configuration part = {.network = (struct network_settings *)settings};
	char *text;

	return configuration_save(&part, &text, length) < 0 ? NULL : text;
}

static bool is_same_network(const struct network_settings *now, const struct network_settings *then)
{
	size_t now_length, then_length;
	char *now_text = network_text(now, &now_length);
	char *then_text = network_text(then, &then_length);
	bool is_same = now_text && then_text && now_length == then_length &&
		       memcmp(now_text, then_text, now_length) == 0;

	free(now_text);
	free(then_text);
	return is_same;
}

/* Where this host's agent listens. */
static const char *own_address(const struct network_settings *settings)
{
	for (unsigned i = 0; i < settings->hosts_count; i++)
		if (strcmp(settings->hosts[i].name, settings->host) == 0)
			return settings->hosts[i].address;
	return NULL;
}

/* What is neither a text nor a list that may change. */
static bool is_same_etcd(struct network_settings now, struct network_settings then)
{
	now.hosts = then.hosts = NULL;
	now.hosts_count = then.hosts_count = 0;
	return is_same_network(&now, &then);
}

static void compare_agents(const struct network_settings *now, const struct network_settings *then,
	struct refusals *refusals)
{
	const struct {
		const char *key, *now, *then;
	} fixed[] = {
		{"network.host", now->host, then->host},
		{"network.address", now->address, then->address},
		{"network.uplink", now->uplink, then->uplink},
		{"network.link", now->link, then->link},
		{"network.key", now->key, then->key},
		{"network.period", now->period, then->period},
	};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		if (!is_same_text(fixed[i].now, fixed[i].then))
			refuse(refusals, "key", fixed[i].key, "has changed");
	if (!refusals->used && !is_same_etcd(*now, *then))
		refuse(refusals, "key", "network.etcd", "has changed");
	if (!is_same_text(own_address(now), own_address(then)))
		refuse(refusals, "host", now->host, "its own address has changed");
}

static void compare_nics(
	const struct host *host, const struct configuration *next, struct refusals *refusals)
{
	for (unsigned i = 0; i < next->nics_count; i++) {
		int running = host_find_nic(host, next->nics[i].name, NULL);

		const struct nic_settings *now;

		if (running < 0)
			continue;
		now = &host->configuration->nics[running];
		if (!is_same_text(now->netdev, next->nics[i].netdev))
			refuse(refusals, "vNIC", next->nics[i].name, "netdev cannot change");
		else if (!device_is_same(now->device, next->nics[i].device))
			refuse(refusals, "vNIC", next->nics[i].name, "device cannot change");
	}
}

void compare_network(
	const struct host *host, const struct configuration *next, struct refusals *refusals)
{
	const struct network_settings *now = host->configuration->network, *then = next->network;

	if (!now != !then)
		refuse(refusals, "part", "network", then ? "is new" : "has gone");
	else if (now)
		compare_agents(now, then, refusals);
	compare_nics(host, next, refusals);
}

/* ---- who is where ---- */

static int apply_hosts(struct host *host, struct configuration *next, struct error *error)
{
	struct network_settings *before = host->configuration->network;
	struct problems *problems;
	struct directory *directory;
	struct sockaddr_in6 own;

	if (is_same_network(before, next->network))
		return 0;
	problems = calloc(1, sizeof *problems);
	directory = directory_create();
	if (!problems || !directory) {
		free(problems);
		if (directory)
			directory_destroy(directory);
		return error_set(error, -ENOMEM, "no memory for the network's hosts");
	}
	values_of_hosts(next->network, "", directory, &own, problems);
	free(problems);
	agent_set_directory(host->agent, directory);
	host->configuration->network = next->network;
	next->network = before;
	log_info("network: its hosts have changed");
	return 0;
}

/* ---- vNICs ---- */

static bool is_listed(const struct configuration *configuration, const char *name)
{
	for (unsigned i = 0; i < configuration->nics_count; i++)
		if (strcmp(configuration->nics[i].name, name) == 0)
			return true;
	return false;
}

static int remove_gone(struct host *host, const struct configuration *next, struct error *error)
{
	int result = 0;

	for (unsigned i = host->configuration->nics_count; i-- > 0 && result == 0;) {
		const char *name = host->configuration->nics[i].name;

		if (!host->nics[i].is_from_file || is_listed(next, name))
			continue;
		log_info("vNIC '%s': removed by reload", name);
		result = host_remove_nic(host, i, error);
	}
	return result;
}

/* Changes the vNIC of that name, or adds it. It leaves the new tree if that succeeds. */
static int apply_nic(struct host *host, struct nic_settings *settings, struct error *error)
{
	struct nic_settings *one = malloc(sizeof *one);
	int running = host_find_nic(host, settings->name, NULL), result;

	if (!one)
		return error_set(error, -ENOMEM, "out of memory");
	*one = *settings;
	result = running < 0 ? host_add_nic(host, one, true, error)
			     : host_set_nic(host, (unsigned)running, one, error);
	if (result < 0) {
		free(one);
		return result;
	}
	if (running >= 0)
		host->nics[running].is_from_file = true;
	memset(settings, 0, sizeof *settings);
	return 0;
}

/*
 * One vNIC may be able to take what another gives back, whichever stands first: go round until nothing
 * more succeeds. Those that are new wait until all others have changed.
 */
static int apply_rounds(
	struct host *host, struct configuration *next, bool is_for_new, struct error *error)
{
	bool is_progress = true;
	int result = -EAGAIN;

	while (result < 0 && is_progress) {
		is_progress = false;
		result = 0;
		for (unsigned i = 0; i < next->nics_count; i++) {
			struct nic_settings *settings = &next->nics[i];
			int one;

			if (!settings->name ||
				(host_find_nic(host, settings->name, NULL) < 0) != is_for_new)
				continue;
			one = apply_nic(host, settings, error);
			is_progress |= one == 0;
			result = one < 0 ? one : result;
		}
	}
	return result;
}

int apply_network(struct host *host, struct configuration *next, struct error *error)
{
	int result = 0;

	if (host->agent)
		result = apply_hosts(host, next, error);
	if (result == 0)
		result = remove_gone(host, next, error);
	if (result == 0)
		result = apply_rounds(host, next, false, error);
	if (result == 0)
		result = apply_rounds(host, next, true, error);
	return result;
}
