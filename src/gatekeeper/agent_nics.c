#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "gatekeeper/agent_private.h"
#include "gatekeeper/allocation/link_admission.h"

/*
 * Though no event says that anything changed: what could not be taken is tried again, and what was put
 * on netdevs is looked for.
 */
#define LOOK_EVERY_NS (2 * NS_PER_S)

struct nic_place agent_place(struct agent *agent)
{
	return (struct nic_place){.host = &agent->host,
		.uplink = agent->uplink,
		.link = agent->config.link_bytes_per_s,
		.inbound = &agent->inbound,
		.local = &agent->local,
		.state_directory = agent->config.state_directory};
}

struct nic *agent_nic_at(struct agent *agent, const struct in6_addr *address)
{
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		if (nic_has_address(nic, address))
			return nic;
	return NULL;
}

static struct nic *find_nic(struct agent *agent, const char *name)
{
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		if (strcmp(nic->config.name, name) == 0)
			return nic;
	return NULL;
}

/* ---- netdevs come and go ---- */

/* Log a trouble, unless it is the one that was logged last. */
static void complain(char *last, const struct error *error)
{
	if (strcmp(last, error->message) != 0)
		log_error("%s", error->message);
	snprintf(last, ERROR_MESSAGE_BYTES, "%s", error->message);
}

static void look_at_nic(struct agent *agent, struct nic *nic, bool is_thorough)
{
	const struct nic_place place = agent_place(agent);
	int ifindex = (int)if_nametoindex(nic->config.netdev);
	struct error error;

	if (nic->is_attached && nic->ifindex != ifindex) {
		log_info("vNIC '%s': its netdev '%s' has gone", nic->config.name,
			nic->config.netdev);
		nic_detach(nic, &place, true);
	}
	if (nic->is_attached && is_thorough && !nic_is_in_force(nic, &place)) {
		log_warning("vNIC '%s': somebody has taken its programs or classes off netdev "
			    "'%s'; they are put back",
			nic->config.name, nic->config.netdev);
		nic_detach(nic, &place, true);
	}
	if (nic->is_attached || !ifindex)
		return;
	if (nic_attach(nic, &place, &error) < 0)
		complain(nic->trouble, &error);
	else
		log_info("vNIC '%s': has netdev '%s'", nic->config.name, nic->config.netdev);
}

int agent_take_uplink(struct agent *agent, struct error *error)
{
	int ifindex = (int)if_nametoindex(agent->config.uplink), result;

	if (!ifindex)
		return 0;
	result = shaper_open(agent->config.uplink, agent->config.link_bytes_per_s,
		agent->config.state_directory, &agent->uplink, error);
	if (result < 0)
		return result;
	agent->uplink_ifindex = ifindex;
	*agent->uplink_trouble = '\0';
	return 0;
}

/* Without the uplink there are no classes for what vNICs send: they wait for it, with all else in force. */
static void lose_uplink(struct agent *agent)
{
	const struct nic_place place = agent_place(agent);
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		if (nic->is_attached)
			nic_detach(nic, &place, false);
	shaper_close(agent->uplink);
	agent->uplink = NULL;
	agent->uplink_ifindex = 0;
}

static void look_at_uplink(struct agent *agent, bool is_thorough)
{
	int ifindex = (int)if_nametoindex(agent->config.uplink);
	struct error error;

	if (agent->uplink && agent->uplink_ifindex != ifindex) {
		log_warning("the uplink '%s' has gone", agent->config.uplink);
		lose_uplink(agent);
	}
	if (agent->uplink && is_thorough &&
		shaper_set_link(agent->uplink, agent->config.link_bytes_per_s) == -ENOENT) {
		log_warning("somebody has replaced the qdisc of the uplink '%s'; it is taken again",
			agent->config.uplink);
		lose_uplink(agent);
	}
	if (agent->uplink || !ifindex)
		return;
	if (agent_take_uplink(agent, &error) < 0)
		complain(agent->uplink_trouble, &error);
	else
		log_info("the uplink '%s' is there", agent->config.uplink);
}

void agent_look_at_netdevs(struct agent *agent, uint64_t now_ns)
{
	bool is_thorough = now_ns - agent->netdevs_looked_at_ns >= LOOK_EVERY_NS;
	bool has_changed = netdev_watch_drain(agent->watch);
	struct nic *nic;

	if (!has_changed && !is_thorough)
		return;
	if (is_thorough)
		agent->netdevs_looked_at_ns = now_ns;
	look_at_uplink(agent, is_thorough);
	if (!agent->uplink)
		return;
	TAILQ_FOREACH (nic, &agent->nics, link)
		look_at_nic(agent, nic, is_thorough);
}

void agent_release_netdevs(struct agent *agent, bool is_final)
{
	const struct nic_place place = agent_place(agent);
	struct nic *nic;

	while ((nic = TAILQ_FIRST(&agent->nics))) {
		TAILQ_REMOVE(&agent->nics, nic, link);
		nic_detach(nic, &place, is_final);
		nic_destroy(nic, &place);
	}
	if (agent->uplink)
		(is_final ? shaper_remove : shaper_close)(agent->uplink);
	agent->uplink = NULL;
}

/* ---- vNICs come and go ---- */

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

/* Whether all promises can be kept with `config` in the place of the vNIC of that name, if there is one. */
static int admit(struct agent *agent, const struct nic_config *config, struct error *error)
{
	double available = (double)agent->config.link_bytes_per_s * (1 - agent->config.headroom);
	struct link_promises promised = {(double)config->send_min, config->receive.min};
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link) {
		if (strcmp(nic->config.name, config->name) == 0)
			continue;
		promised.send += (double)nic->config.send_min;
		promised.receive += nic->config.receive.min;
	}
	return error_prefix(error, link_admission_check(&promised, available, error),
		"vNIC '%s': ", config->name);
}

static int check_netdev(struct agent *agent, const struct nic_config *config, struct error *error)
{
	struct nic *nic;

	if (find_nic(agent, config->name))
		return error_set(error, -EEXIST, "there is a vNIC '%s' already", config->name);
	if (strcmp(agent->config.uplink, config->netdev) == 0)
		return error_set(error, -EEXIST,
			"netdev '%s' is the uplink; a vNIC's is the host's end of it: a tap, a "
			"veth",
			config->netdev);
	TAILQ_FOREACH (nic, &agent->nics, link)
		if (strcmp(nic->config.netdev, config->netdev) == 0)
			return error_set(error, -EEXIST, "netdev '%s' is vNIC '%s' already",
				config->netdev, nic->config.name);
	return 0;
}

static int check_addresses(
	struct agent *agent, const struct nic_config *config, struct error *error)
{
	for (unsigned i = 0; i < config->address_count; i++) {
		const struct nic *nic = agent_nic_at(agent, &config->addresses[i]);

		if (nic && strcmp(nic->config.name, config->name) != 0)
			return error_set(error, -EEXIST,
				"vNIC '%s': vNIC '%s' has one of its addresses already",
				config->name, nic->config.name);
	}
	return 0;
}

static int attach_if_there(struct agent *agent, struct nic *nic, struct error *error)
{
	const struct nic_place place = agent_place(agent);

	if (agent->uplink && if_nametoindex(nic->config.netdev))
		return nic_attach(nic, &place, error);
	log_info("vNIC '%s': waits for its netdev '%s'", nic->config.name, nic->config.netdev);
	return 0;
}

static int add_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	const struct nic_place place = agent_place(agent);
	unsigned slot = free_slot(agent);
	struct nic *nic;
	int result;

	if (slot == NIC_SLOTS)
		return error_set(
			error, -ENOSPC, "a host can have %u vNICs, and has them", NIC_SLOTS);
	result = nic_create(config, slot, &place, &nic, error);
	if (result < 0)
		return result;
	result = attach_if_there(agent, nic, error);
	if (result < 0) {
		nic_destroy(nic, &place);
		return result;
	}
	if (!config->address_count)
		log_warning("vNIC '%s' has no addresses: it may send under any, and what is sent "
			    "to it cannot be held back at the source",
			config->name);
	TAILQ_INSERT_TAIL(&agent->nics, nic, link);
	agent->directory_generation++;
	return 0;
}

int agent_add_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	int result;

	pthread_mutex_lock(&agent->lock);
	result = check_netdev(agent, config, error);
	if (result == 0)
		result = check_addresses(agent, config, error);
	if (result == 0)
		result = admit(agent, config, error);
	if (result == 0)
		result = add_nic(agent, config, error);
	pthread_mutex_unlock(&agent->lock);
	return result;
}

static int set_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	const struct nic_place place = agent_place(agent);
	struct nic *nic = find_nic(agent, config->name);
	int result;

	if (!nic)
		return error_set(error, -ENOENT, "there is no vNIC '%s'", config->name);
	if (strcmp(nic->config.netdev, config->netdev) != 0)
		return error_set(error, -EINVAL,
			"vNIC '%s': its netdev cannot change; remove it and add it anew",
			config->name);
	result = check_addresses(agent, config, error);
	if (result == 0)
		result = admit(agent, config, error);
	if (result == 0)
		result = nic_change(nic, config, &place, error);
	agent->directory_generation++;
	return result;
}

int agent_set_nic(struct agent *agent, const struct nic_config *config, struct error *error)
{
	int result;

	pthread_mutex_lock(&agent->lock);
	result = set_nic(agent, config, error);
	pthread_mutex_unlock(&agent->lock);
	return result;
}

int agent_remove_nic(struct agent *agent, const char *name, struct error *error)
{
	const struct nic_place place = agent_place(agent);
	struct nic *nic;

	pthread_mutex_lock(&agent->lock);
	nic = find_nic(agent, name);
	if (nic) {
		TAILQ_REMOVE(&agent->nics, nic, link);
		nic_detach(nic, &place, true);
		nic_destroy(nic, &place);
		agent->directory_generation++;
	}
	pthread_mutex_unlock(&agent->lock);
	return nic ? 0 : error_set(error, -ENOENT, "there is no vNIC '%s'", name);
}
