#include <string.h>

#include "base/units.h"
#include "control/configuration/values.h"

#define SECTOR_BYTES 512u

static void tier_values(const struct tier_settings *settings, const char *path,
	struct slo_tier *tier, struct problems *problems)
{
	uint64_t burst_units = 0, rate_units_per_s = 0;

	value_quantity(units_parse_count, settings->burst, path, "burst", &burst_units, problems);
	value_quantity(
		units_parse_count, settings->rate, path, "rate", &rate_units_per_s, problems);
	value_quantity(units_parse_duration_ns, settings->within, path, "within", &tier->within_ns,
		problems);
	tier->burst_units = (double)burst_units;
	tier->rate_units_per_s = (double)rate_units_per_s;
}

static void limit_values(const struct limit_settings *settings, const char *parent,
	struct slo_limit *limit, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	path_key(path, parent, "limit");
	value_quantity(units_parse_count, settings->iops, path, "iops", &limit->operations_per_s,
		problems);
	value_quantity(units_parse_count, settings->iops_burst, path, "iops_burst",
		&limit->operations_burst, problems);
	value_quantity(units_parse_bytes, settings->bytes_per_s, path, "bytes_per_s",
		&limit->bytes_per_s, problems);
	value_quantity(units_parse_bytes, settings->bytes_burst, path, "bytes_burst",
		&limit->bytes_burst, problems);
}

/* slo_check says what is wrong; giving it one tier more at a time tells which one it is. */
static void check_promises(const struct slo *slo, const char *path, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], below[PROBLEM_PATH_BYTES];
	struct slo part = *slo;
	struct error error;

	memset(&part.limit, 0, sizeof part.limit);
	path_key(list, path, "tiers");
	for (unsigned tier = 0; tier < slo->tier_count; tier++) {
		part.tier_count = tier + 1;
		if (slo_check(&part, &error) < 0) {
			path_index(below, list, tier);
			problems_add(problems, below, "%s", error.message);
			return;
		}
	}
	path_key(below, path, "limit");
	if (slo_check(slo, &error) < 0)
		problems_add(problems, below, "%s", error.message);
}

static void weight_values(const struct slo_settings *settings, const char *parent, struct slo *slo,
	struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!settings->weight)
		return;
	if (*settings->weight >= 1 && *settings->weight <= SLO_WEIGHT_MAX) {
		slo->weight = *settings->weight;
		return;
	}
	path_key(path, parent, "weight");
	problems_add(problems, path, "%u is out of range; it must be from 1 to %u",
		*settings->weight, SLO_WEIGHT_MAX);
}

void values_of_slo(const struct slo_settings *settings, const char *path, struct slo *slo,
	struct problems *problems)
{
	unsigned wrong = problems->count + problems->dropped;
	char list[PROBLEM_PATH_BYTES], below[PROBLEM_PATH_BYTES];

	*slo = (struct slo){.weight = SLO_WEIGHT_DEFAULT};
	if (!settings)
		return;
	weight_values(settings, path, slo, problems);
	path_key(list, path, "tiers");
	slo->tier_count = settings->tiers_count;
	for (unsigned i = 0; i < settings->tiers_count; i++) {
		path_index(below, list, i);
		tier_values(&settings->tiers[i], below, &slo->tiers[i], problems);
	}
	if (settings->limit)
		limit_values(settings->limit, path, &slo->limit, problems);
	if (problems->count + problems->dropped == wrong)
		check_promises(slo, path, problems);
}

static void size_values(const struct disk_settings *settings, const char *parent,
	struct disk_config *config, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	value_quantity(
		units_parse_bytes, settings->size, parent, "size", &config->size_bytes, problems);
	if (!settings->size || (config->size_bytes && config->size_bytes % SECTOR_BYTES == 0))
		return;
	path_key(path, parent, "size");
	if (config->size_bytes)
		problems_add(problems, path, "'%s' is not a multiple of %u bytes", settings->size,
			SECTOR_BYTES);
	else if (strcmp(settings->size, "0") == 0)
		problems_add(problems, path,
			"must not be 0; remove the key to take the size of the image");
}

static void queue_values(const struct disk_settings *settings, const char *parent,
	struct disk_config *config, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	config->queue_count = settings->queues ? *settings->queues : DISK_QUEUES_DEFAULT;
	if (config->queue_count >= 1 && config->queue_count <= DISK_QUEUES_MAX)
		return;
	path_key(path, parent, "queues");
	problems_add(problems, path, "%u is out of range; it must be from 1 to %u",
		config->queue_count, DISK_QUEUES_MAX);
}

static void socket_values(const struct disk_settings *settings, const char *parent,
	const char *run_directory, struct disk_config *config, struct problems *problems)
{
	char text[PATH_MAX], path[PROBLEM_PATH_BYTES];

	path_key(path, parent, "socket");
	if (settings->socket && *settings->socket != '/') {
		problems_add(problems, path, "'%s' is relative; write the whole path, from /",
			settings->socket);
		return;
	}
	snprintf(text, sizeof text, "%s/%s.sock", run_directory, settings->name);
	value_text(config->socket_path, sizeof config->socket_path,
		settings->socket ? settings->socket : text, parent, "socket", problems);
}

void values_of_disk(const struct disk_settings *settings, const char *path,
	const char *run_directory, struct disk_config *config, struct problems *problems)
{
	char below[PROBLEM_PATH_BYTES];

	*config = (struct disk_config){
		.socket_fd = -1,
		.is_read_only = settings->read_only && *settings->read_only,
	};
	value_name(config->name, sizeof config->name, settings->name, path, problems);
	value_text(
		config->serial, sizeof config->serial, settings->serial, path, "serial", problems);
	value_text(config->image, sizeof config->image, settings->image, path, "image", problems);
	socket_values(settings, path, run_directory, config, problems);
	size_values(settings, path, config, problems);
	queue_values(settings, path, config, problems);
	path_key(below, path, "slo");
	values_of_slo(settings->slo, below, &config->slo, problems);
}
