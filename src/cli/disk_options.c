#include "cli/disk_options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/param_options.h"

/* "burst=64,rate=2000,within=5ms"; NULL if it is not that. "none" is no tier at all. */
static json_t *parse_tier(char *text)
{
	static char *const keys[] = {"burst", "rate", "within", NULL};
	json_t *tier = json_object();
	char *value;

	while (*text) {
		int key = getsubopt(&text, keys, &value);

		if (key < 0 || !value || !*value) {
			json_decref(tier);
			return NULL;
		}
		json_object_set_new(tier, keys[key], json_string(value));
	}
	if (json_object_size(tier) == 3)
		return tier;
	json_decref(tier);
	return NULL;
}

static bool take_tier(json_t *object, const struct param_option *option, char *text)
{
	json_t *tiers = json_object_get(object, option->key), *tier;

	if (!tiers)
		json_object_set_new(object, option->key, tiers = json_array());
	if (strcmp(text, "none") == 0)
		return true;
	tier = parse_tier(text);
	if (!tier) {
		cli_misuse("--%s: write it like burst=64,rate=2000,within=5ms", option->name);
		return false;
	}
	json_array_append_new(tiers, tier);
	return true;
}

static const struct param_option table[] = {
	{"pool", {0}, "pool", param_take_text},
	{"size", {0}, "size", param_take_text},
	{"image", {0}, "image", param_take_text},
	{"socket", {0}, "socket", param_take_text},
	{"serial", {0}, "serial", param_take_text},
	{"queues", {0}, "queues", param_take_number},
	{"read-only", {0}, "read_only", param_take_flag},
	{"weight", {"slo"}, "weight", param_take_number},
	{"tier", {"slo"}, "tiers", take_tier},
	{"limit-iops", {"slo", "limit"}, "iops", param_take_text},
	{"limit-iops-burst", {"slo", "limit"}, "iops_burst", param_take_text},
	{"limit-bytes", {"slo", "limit"}, "bytes_per_s", param_take_text},
	{"limit-bytes-burst", {"slo", "limit"}, "bytes_burst", param_take_text},
	{0},
};

json_t *disk_options_parse(int argc, char **argv)
{
	return param_options_parse(table, "disk", argc, argv);
}
