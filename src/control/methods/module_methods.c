#include <errno.h>

#include "base/log.h"
#include "control/describe/describe.h"
#include "control/host/host_modules.h"
#include "control/methods/methods.h"
#include "control/methods/params.h"

static int wanted_module(const struct host *host, const json_t *params, struct error *error)
{
	const char *name = params_name(params, error);

	return name ? host_find_module(host, name, error) : -EINVAL;
}

int method_module_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; host->modules && i < host->configuration->modules_count; i++)
		json_array_append_new(*result, describe_module(host, i, false));
	return 0;
}

int method_module_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_module(context, params, error);

	if (index < 0)
		return index;
	*result = describe_module(context, (unsigned)index, true);
	return 0;
}

int method_module_restart(void *context, const json_t *params, json_t **result, struct error *error)
{
	struct host *host = context;
	int index = wanted_module(host, params, error);

	if (index < 0)
		return index;
	if (host_module_waits(host, (unsigned)index))
		return error_set(error, -EBUSY,
			"module '%s' begins when another that was in its place has ended; see the "
			"log",
			params_name(params, NULL));
	if (!host->modules[index])
		return error_set(error, -ESRCH,
			"module '%s' could not be begun; see the log, and 'sluice reload'",
			params_name(params, NULL));
	log_info("module '%s': restarted", params_name(params, NULL));
	module_supervisor_restart(host->modules[index]);
	*result = json_true();
	return 0;
}
