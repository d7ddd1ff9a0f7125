#include "control/methods/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/describe/describe.h"
#include "control/host/host.h"
#include "control/methods/params.h"

static int pool_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->configuration->pools_count; i++)
		json_array_append_new(*result, describe_pool(host, i));
	return 0;
}

static int pool_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	const char *name = params_name(params, error);
	int index = name ? host_find_pool(context, name, error) : -EINVAL;

	if (index < 0)
		return index;
	*result = describe_pool(context, (unsigned)index);
	return 0;
}

static int sidecore_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->sidecore_count; i++)
		json_array_append_new(*result, describe_sidecore(host->sidecores[i]));
	return 0;
}

static int daemon_status(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:i}", "version", SLUICE_VERSION, "pid",
		(int)getpid(), "sidecores", (int)host->sidecore_count, "pools",
		(int)host->configuration->pools_count, "disks",
		(int)host->configuration->disks_count, "nics", (int)host->configuration->nics_count,
		"modules", (int)host->configuration->modules_count);
	json_object_set_new(*result, "cluster", describe_cluster(host));
	return 0;
}

static int reload(void *context, const json_t *params, json_t **result, struct error *error)
{
	int code = host_reload(context, error);

	if (code == 0)
		*result = json_true();
	return code;
}

static int configuration_show(
	void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;
	size_t length;
	char *text;

	if (configuration_save(host->configuration, &text, &length) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	*result = json_stringn(text, length);
	free(text);
	return 0;
}

const struct rpc_method control_methods[] = {
	{"disk.list", method_disk_list},
	{"disk.show", method_disk_show},
	{"disk.add", method_disk_add},
	{"disk.remove", method_disk_remove},
	{"disk.set", method_disk_set},
	{"nic.list", method_nic_list},
	{"nic.show", method_nic_show},
	{"nic.add", method_nic_add},
	{"nic.set", method_nic_set},
	{"nic.remove", method_nic_remove},
	{"net.show", method_net_show},
	{"module.list", method_module_list},
	{"module.show", method_module_show},
	{"module.restart", method_module_restart},
	{"pool.list", pool_list},
	{"pool.show", pool_show},
	{"sidecore.list", sidecore_list},
	{"configuration.show", configuration_show},
	{"daemon.status", daemon_status},
	{"reload", reload},
	{0},
};
