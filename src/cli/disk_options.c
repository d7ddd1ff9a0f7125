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

enum kind { TEXT, NUMBER, FLAG, TIER };

static const struct {
	const char *option;
	const char *parent[2]; /* where the value goes below the parameters */
	const char *key;
	enum kind kind;
} table[] = {
	{"pool", {0}, "pool", TEXT},
	{"size", {0}, "size", TEXT},
	{"image", {0}, "image", TEXT},
	{"socket", {0}, "socket", TEXT},
	{"serial", {0}, "serial", TEXT},
	{"queues", {0}, "queues", NUMBER},
	{"read-only", {0}, "read_only", FLAG},
	{"weight", {"slo"}, "weight", NUMBER},
	{"tier", {"slo"}, "tiers", TIER},
	{"limit-iops", {"slo", "limit"}, "iops", TEXT},
	{"limit-iops-burst", {"slo", "limit"}, "iops_burst", TEXT},
	{"limit-bytes", {"slo", "limit"}, "bytes_per_s", TEXT},
	{"limit-bytes-burst", {"slo", "limit"}, "bytes_burst", TEXT},
};

#define OPTIONS (sizeof table / sizeof *table)

/* The object `key` of another, made if it is not there. */
static json_t *below(json_t *object, const char *key)
{
	if (!json_object_get(object, key))
		json_object_set_new(object, key, json_object());
	return json_object_get(object, key);
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

static bool add_tier(json_t *slo, char *text)
{
	json_t *tiers = json_object_get(slo, "tiers"), *tier;

	if (!tiers)
		json_object_set_new(slo, "tiers", tiers = json_array());
	if (strcmp(text, "none") == 0)
		return true;
	tier = parse_tier(text);
	if (!tier) {
		cli_misuse("--tier: write it like burst=64,rate=2000,within=5ms");
		return false;
	}
	json_array_append_new(tiers, tier);
	return true;
}

static bool add_number(json_t *object, const char *option, const char *key, const char *text)
{
	char *end;
	long long value = strtoll(text, &end, 10);

	if (!*text || *end) {
		cli_misuse("--%s: '%s' is not a whole number", option, text);
		return false;
	}
	json_object_set_new(object, key, json_integer(value));
	return true;
}

static bool take_option(json_t *params, size_t index, char *text)
{
	json_t *object = params;

	for (size_t i = 0; i < 2 && table[index].parent[i]; i++)
		object = below(object, table[index].parent[i]);
	switch (table[index].kind) {
	case TIER:
		return add_tier(object, text);
	case NUMBER:
		return add_number(object, table[index].option, table[index].key, text);
	case FLAG:
		json_object_set_new(object, table[index].key, json_true());
		return true;
	case TEXT:
		json_object_set_new(object, table[index].key, json_string(text));
		return true;
	}
	return false;
}

static void complain(const char *command, const char *word)
{
	const char *names[OPTIONS], *nearest;

	for (size_t i = 0; i < OPTIONS; i++)
		names[i] = table[i].option;
	nearest = suggest_nearest(word + strspn(word, "-"), names, OPTIONS);
	cli_misuse("'sluice %s' does not understand '%s' or lacks its value%s%s%s", command, word,
		nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

json_t *disk_options_parse(int argc, char **argv)
{
	struct option long_options[OPTIONS + 1] = {0};
	json_t *params = json_object();
	bool is_good = true;
	int code, index = 0;

	for (size_t i = 0; i < OPTIONS; i++)
		long_options[i] = (struct option){table[i].option,
			table[i].kind == FLAG ? no_argument : required_argument, NULL, 1};
	optind = 0;
	opterr = 0;
	while (is_good && (code = getopt_long(argc, argv, "", long_options, &index)) >= 0) {
		is_good = code == 1 && take_option(params, (size_t)index, optarg);
		if (code != 1)
			complain(argv[0], argv[optind - 1]);
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
