#include "vmm/process/vm_control.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "vmm/process/vm_statistics.h"

/* The description, and what has become of it. */
static json_t *describe(const struct vm_control *control)
{
	json_t *result = vm_description_encode(control->description);
	uint64_t uptime_ns = clock_now_ns() - control->started_at_ns;

	json_object_set_new(result, "pid", json_integer(getpid()));
	json_object_set_new(result, "uptime_ns", json_integer((json_int_t)uptime_ns));
	json_object_set_new(
		result, "reboots", json_integer((json_int_t)vm_life_reboots(control->life)));
	json_object_set_new(result, "is_stopping", json_boolean(control->power->is_pressed));
	return result;
}

static int vm_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	*result = describe(context);
	return 0;
}

static void look(const struct machine *machine, void *context)
{
	json_t **result = context;

	*result = vm_statistics_describe(machine);
}

static int vm_stat(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct vm_control *control = context;
	unsigned reboots = vm_life_reboots(control->life);

	if (!vm_life_look(control->life, look, result))
		return error_set(error, -EAGAIN, "there is nothing to count yet; try again");
	json_object_set_new(*result, "name", json_string(control->description->name));
	json_object_set_new(*result, "reboots", json_integer((json_int_t)reboots));
	return 0;
}

static int vm_stop(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct vm_control *control = context;

	vm_power_request(control->power, json_is_true(json_object_get(params, "now")));
	*result = json_true();
	return 0;
}

const struct rpc_method vm_control_methods[] = {
	{"vm.show", vm_show},
	{"vm.stat", vm_stat},
	{"vm.stop", vm_stop},
	{0},
};
