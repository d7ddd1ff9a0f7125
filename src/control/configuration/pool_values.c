#include <math.h>
#include <string.h>

#include "base/suggest.h"
#include "base/units.h"
#include "control/configuration/values.h"

static void price_values(const struct price_settings *settings, const char *parent, const char *key,
	struct slo_price *price, struct problems *problems)
{
	double units_per_kib = price->units_per_byte * 1024;
	char path[PROBLEM_PATH_BYTES];

	if (!settings)
		return;
	path_key(path, parent, key);
	value_units(settings->operation, path, "operation", &price->units_per_operation, problems);
	value_units(settings->kib, path, "kib", &units_per_kib, problems);
	price->units_per_byte = units_per_kib / 1024;
	if (price->units_per_operation <= 0)
		problems_add(problems, path, "an operation must cost more than 0");
}

static void prices_values(const struct prices_settings *settings, const char *parent,
	const char *key, struct slo_price prices[2], struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!settings)
		return;
	path_key(path, parent, key);
	price_values(settings->random, path, "random", &prices[0], problems);
	price_values(settings->sequential, path, "sequential", &prices[1], problems);
}

static void cost_values(const struct cost_settings *settings, const char *parent,
	struct slo_cost_model *cost, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	*cost = slo_cost_model_default;
	if (!settings)
		return;
	path_key(path, parent, "cost");
	prices_values(settings->read, path, "read", cost->read, problems);
	prices_values(settings->write, path, "write", cost->write, problems);
	value_units(settings->flush, path, "flush", &cost->flush_units, problems);
}

static void backend_values(const struct pool_settings *settings, const char *parent,
	struct pool_config *config, struct problems *problems)
{
	static const char *const names[] = {"file", "ram", "null"};
	const char *name = settings->backend ? settings->backend : "file";
	const char *nearest = suggest_nearest(name, names, 3);
	char path[PROBLEM_PATH_BYTES];

	config->backend = backend_find(name);
	path_key(path, parent, "backend");
	if (!config->backend)
		problems_add(problems, path,
			"'%s' is not a back end; there are file, ram and null%s%s%s", name,
			nearest ? "; did you mean '" : "", nearest ? nearest : "",
			nearest ? "'?" : "");
	else if (strcmp(name, "file") == 0 && !settings->path)
		problems_add(problems, parent,
			"'path' is missing; add the directory of the images, or a block device");
	path_key(path, parent, "path");
	if (settings->path && *settings->path != '/')
		problems_add(problems, path, "'%s' is relative; write the whole path, from /",
			settings->path);
}

/* Fewer in flight than this would keep the device from its capacity, and promises on it from being kept. */
static void check_in_flight(
	const struct pool_config *config, const char *parent, struct problems *problems)
{
	struct admission_pool admission = pool_admission(config);
	double needed = admission_busy_units(&admission) + admission.largest_request_units;
	char path[PROBLEM_PATH_BYTES];

	if (!config->in_flight_max || !config->latency_ns || config->in_flight_max >= needed)
		return;
	path_key(path, parent, "in_flight");
	problems_add(problems, path,
		"%u units are too few for 'capacity' at this 'latency'; allow %.0f or more",
		config->in_flight_max, ceil(needed));
}

void values_of_pool(const struct pool_settings *settings, const char *path,
	struct pool_config *config, struct problems *problems)
{
	uint64_t capacity_units_per_s = 0;
	char below[PROBLEM_PATH_BYTES];

	*config = (struct pool_config){
		.largest_request_bytes = LARGEST_REQUEST_BYTES_DEFAULT,
		.in_flight_max = settings->in_flight ? *settings->in_flight : 0,
		.is_enforcing = settings->enforce ? *settings->enforce : true,
		.use_page_cache = settings->page_cache && *settings->page_cache,
	};
	value_name(config->name, sizeof config->name, settings->name, path, problems);
	value_text(config->path, sizeof config->path, settings->path, path, "path", problems);
	backend_values(settings, path, config, problems);
	value_quantity(units_parse_count, settings->capacity, path, "capacity",
		&capacity_units_per_s, problems);
	config->capacity_units_per_s = (double)capacity_units_per_s;
	value_quantity(units_parse_duration_ns, settings->latency, path, "latency",
		&config->latency_ns, problems);
	value_quantity(units_parse_bytes, settings->largest_request, path, "largest_request",
		&config->largest_request_bytes, problems);
	path_key(below, path, "largest_request");
	if (config->largest_request_bytes < 4096)
		problems_add(problems, below, "must be at least 4KiB");
	cost_values(settings->cost, path, &config->cost, problems);
	check_in_flight(config, path, problems);
}
