/*
 * Theory of operation. Values go to the daemon as the text they are: its own parser says what is
 * wrong with them, in the same words as for sluice.yaml. Only what has to become a number or a list
 * in JSON is looked at here.
 */
#include "cli/disk_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "control/suggest.h"

struct disk_option {
	const char *name;
	const char *parent[2]; /* where the value goes below the parameters */
	const char *key;
	/* Put the value into that object; false (complained about) if it is not one. */
	bool (*take)(json_t *object, const struct disk_option *option, char *text);
};

static bool take_text(json_t *object, const struct disk_option *option, char *text)
{
	json_object_set_new(object, option->key, json_string(text));
	return true;
}

static bool take_flag(json_t *object, const struct disk_option *option, char *text)
{
	json_object_set_new(object, option->key, json_true());
	return true;
}

static bool take_number(json_t *object, const struct disk_option *option, char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (!*text || *end) {
		cli_misuse("--%s: '%s' is not a whole number", option->name, text);
		return false;
	}
	json_object_set_new(object, option->key, json_integer(value));
	return true;
}

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

static bool take_tier(json_t *object, const struct disk_option *option, char *text)
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

static const struct disk_option table[] = {
	{"pool", {0}, "pool", take_text},
	{"size", {0}, "size", take_text},
	{"image", {0}, "image", take_text},
	{"socket", {0}, "socket", take_text},
	{"serial", {0}, "serial", take_text},
	{"queues", {0}, "queues", take_number},
	{"read-only", {0}, "read_only", take_flag},
	{"weight", {"slo"}, "weight", take_number},
	{"tier", {"slo"}, "tiers", take_tier},
	{"limit-iops", {"slo", "limit"}, "iops", take_text},
	{"limit-iops-burst", {"slo", "limit"}, "iops_burst", take_text},
	{"limit-bytes", {"slo", "limit"}, "bytes_per_s", take_text},
	{"limit-bytes-burst", {"slo", "limit"}, "bytes_burst", take_text},
};

#define OPTIONS (sizeof table / sizeof *table)

/* The object `key` of another, made if it is not there. */
static json_t *below(json_t *object, const char *key)
{
	if (!json_object_get(object, key))
		json_object_set_new(object, key, json_object());
	return json_object_get(object, key);
}

static bool take_option(json_t *params, const struct disk_option *option, char *text)
{
	json_t *object = params;

	for (size_t i = 0; i < 2 && option->parent[i]; i++)
		object = below(object, option->parent[i]);
	return option->take(object, option, text);
}

static void complain(const char *command, const char *word, bool lacks_value)
{
	const char *names[OPTIONS], *nearest;

	if (lacks_value) {
		cli_misuse("'%s' needs a value", word);
		return;
	}
	for (size_t i = 0; i < OPTIONS; i++)
		names[i] = table[i].name;
	nearest = suggest_nearest(word + strspn(word, "-"), names, OPTIONS);
	cli_misuse("'sluice %s' does not understand '%s'%s%s%s", command, word,
		nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

json_t *disk_options_parse(int argc, char **argv)
{
	struct option long_options[OPTIONS + 1] = {0};
	json_t *params = json_object();
	bool is_good = true;
	int code, index = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		long_options[i] = (struct option){table[i].name,
			table[i].take == take_flag ? no_argument : required_argument, NULL, 1};
	optind = 0;
	opterr = 0;
	while (is_good && (code = getopt_long(argc, argv, ":", long_options, &index)) >= 0) {
		is_good = code == 1 && take_option(params, &table[index], optarg);
		if (code != 1)
			complain(argv[0], argv[optind - 1], code == ':');
	}
	if (is_good && optind == argc - 1) {
		json_object_set_new(params, "name", json_string(argv[optind]));
		return params;
	}
	if (is_good)
		cli_misuse("'sluice %s' needs the name of one disk", argv[0]);
	json_decref(params);
	return NULL;
}
