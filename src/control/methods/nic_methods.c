#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/describe/describe.h"
#include "control/host/host.h"
#include "control/host/nic_status.h"
#include "control/methods/methods.h"
#include "control/methods/params.h"
#include "gatekeeper/agent_status.h"

static int wanted_nic(const struct host *host, const json_t *params, struct error *error)
{
	const char *name = params_name(params, error);

	return name ? host_find_nic(host, name, error) : -EINVAL;
}

/* ---- asking ---- */

/* How many of its pairs are told with each vNIC. */
static unsigned wanted_flows(const json_t *params)
{
	json_int_t flows = json_integer_value(json_object_get(params, "flows"));

	return flows > 0 && flows < UINT_MAX ? (unsigned)flows : 0;
}

int method_nic_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;
	struct agent_status *status;
	int code = nic_status(host, &status, error);

	if (code < 0)
		return code;
	*result = json_array();
	for (unsigned i = 0; i < status->nic_count; i++)
		json_array_append_new(
			*result, describe_nic(host, &status->nics[i], wanted_flows(params)));
	agent_status_free(status);
	return 0;
}

/* One vNIC, which there is. */
static int show(struct host *host, const char *name, json_t **result, struct error *error)
{
	struct agent_status *status;
	int code = nic_status(host, &status, error);

	if (code < 0)
		return code;
	for (unsigned i = 0; i < status->nic_count; i++)
		if (strcmp(status->nics[i].config.name, name) == 0)
			*result = describe_nic(host, &status->nics[i], UINT_MAX);
	agent_status_free(status);
	return *result ? 0 : error_set(error, -ENOENT, "there is no vNIC '%s'", name);
}

int method_nic_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_nic(context, params, error);

	return index < 0 ? index : show(context, params_name(params, NULL), result, error);
}

int method_net_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;
	struct agent_status *status;
	int code;

	if (!host->agent)
		return error_set(error, -ENOENT,
			"this host has no network; see 'network' in sluice.yaml(5)");
	code = agent_status(host->agent, &status, error);
	if (code < 0)
		return code;
	*result = describe_network(status);
	agent_status_free(status);
	return 0;
}

/* ---- telling ---- */

static void load_nic(const char *text, size_t length, void *nic, struct problems *problems)
{
	configuration_load_nic(text, length, nic, problems);
}

static void drop_null_members(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) if (json_is_null(value))
		json_object_del(object, key);
}

/* What is null has its default, and so has a direction of which nothing is left. */
static void drop_nulls(json_t *settings)
{
	static const char *const directions[] = {"send", "receive"};

	drop_null_members(settings);
	for (size_t i = 0; i < sizeof directions / sizeof *directions; i++) {
		json_t *bandwidths = json_object_get(settings, directions[i]);

		drop_null_members(bandwidths);
		if (json_is_object(bandwidths) && !json_object_size(bandwidths))
			json_object_del(settings, directions[i]);
	}
}

int method_nic_add(void *context, const json_t *params, json_t **result, struct error *error)
{
	struct host *host = context;
	json_t *wanted = json_deep_copy(params);
	struct nic_settings *settings = NULL;
	int code;

	drop_nulls(wanted);
	code = params_load(wanted, load_nic, &settings, error);
	json_decref(wanted);
	if (code == 0)
		code = host_add_nic(host, settings, false, error);
	if (code < 0) {
		configuration_free_nic(settings);
		return code;
	}
	log_info("vNIC '%s': added", params_name(params, NULL));
	return show(host, params_name(params, NULL), result, error);
}

static void put_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_string(text));
}

static void put_bandwidths(
	json_t *object, const char *key, const struct bandwidth_settings *settings)
{
	json_t *bandwidths = json_object();

	if (settings) {
		put_text(bandwidths, "min", settings->min);
		put_text(bandwidths, "max", settings->max);
	}
	json_object_set_new(object, key, bandwidths);
}

static void put_number(json_t *object, const char *key, const uint32_t *number)
{
	if (number)
		json_object_set_new(object, key, json_integer(*number));
}

static void put_device(json_t *object, const struct device_settings *settings)
{
	json_t *device;

	if (!settings)
		return;
	device = json_object();
	put_text(device, "sidecore", settings->sidecore);
	put_text(device, "socket", settings->socket);
	put_text(device, "mac", settings->mac);
	put_number(device, "queues", settings->queues);
	put_number(device, "mtu", settings->mtu);
	json_object_set_new(object, "device", device);
}

/* Settings as they would be written in the file. */
static json_t *settings_json(const struct nic_settings *settings)
{
	json_t *object = json_object(), *addresses = json_array();

	put_text(object, "name", settings->name);
	put_text(object, "netdev", settings->netdev);
	for (unsigned i = 0; i < settings->addresses_count; i++)
		json_array_append_new(addresses, json_string(settings->addresses[i]));
	json_object_set_new(object, "addresses", addresses);
	put_bandwidths(object, "send", settings->send);
	put_bandwidths(object, "receive", settings->receive);
	put_number(object, "weight", settings->weight);
	put_device(object, settings->device);
	return object;
}

/* What the request does not name stays as it is. */
static int set_nic(struct host *host, unsigned index, const json_t *params, struct error *error)
{
	json_t *wanted = settings_json(&host->configuration->nics[index]);
	struct nic_settings *settings = NULL;
	int code = -ENOMEM;

	if (json_object_update_recursive(wanted, (json_t *)params) == 0) {
		drop_nulls(wanted);
		code = params_load(wanted, load_nic, &settings, error);
	}
	json_decref(wanted);
	if (code == 0)
		code = host_set_nic(host, index, settings, error);
	if (code < 0)
		configuration_free_nic(settings);
	return code;
}

int method_nic_set(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_nic(context, params, error), code;

	if (index < 0)
		return index;
	if (json_object_size(params) == 1)
		return error_set(error, -EINVAL,
			"nothing to set; give 'send', 'receive', 'weight' or 'addresses'");
	code = set_nic(context, (unsigned)index, params, error);
	if (code < 0)
		return code;
	log_info("vNIC '%s': changed", params_name(params, NULL));
	return show(context, params_name(params, NULL), result, error);
}

int method_nic_remove(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_nic(context, params, error), code;

	if (index < 0)
		return index;
	code = host_remove_nic(context, (unsigned)index, error);
	if (code < 0)
		return code;
	log_info("vNIC '%s': removed", params_name(params, NULL));
	*result = json_true();
	return 0;
}
