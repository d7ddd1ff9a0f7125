#include "cli/param_options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/command.h"

bool param_take_text(json_t *object, const struct param_option *option, char *text)
{
	json_object_set_new(object, option->key, json_string(text));
	return true;
}

bool param_take_flag(json_t *object, const struct param_option *option, char *text)
{
	json_object_set_new(object, option->key, json_true());
	return true;
}

bool param_take_presence(json_t *object, const struct param_option *option, char *text)
{
	return true;
}

bool param_take_number(json_t *object, const struct param_option *option, char *text)
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

/* The object `key` of another, made if it is not there. */
static json_t *below(json_t *object, const char *key)
{
	if (!json_object_get(object, key))
		json_object_set_new(object, key, json_object());
	return json_object_get(object, key);
}

static bool take_option(json_t *params, const struct param_option *option, char *text)
{
	json_t *object = params;

	for (size_t i = 0; i < 2 && option->parent[i]; i++)
		object = below(object, option->parent[i]);
	return option->take(object, option, text);
}

static void complain(
	const struct param_option *options, const char *command, const char *word, bool lacks_value)
{
	const char *names[PARAM_OPTIONS_MAX], *nearest;
	size_t count = 0;

	if (lacks_value) {
		cli_misuse("'%s' needs a value", word);
		return;
	}
	for (; options[count].name; count++)
		names[count] = options[count].name;
	nearest = suggest_nearest(word + strspn(word, "-"), names, count);
	cli_misuse("'sluice %s' does not understand '%s'%s%s%s", command, word,
		nearest ? "; did you mean '--" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static bool has_value(const struct param_option *option)
{
	return option->take != param_take_flag && option->take != param_take_presence;
}

json_t *param_options_parse(
	const struct param_option *options, const char *what, int argc, char **argv)
{
	struct option long_options[PARAM_OPTIONS_MAX + 1] = {0};
	json_t *params = json_object();
	bool is_good = true;
	int code, index = 0;

	for (size_t i = 0; options[i].name; i++)
		long_options[i] = (struct option){options[i].name,
			has_value(&options[i]) ? required_argument : no_argument, NULL, 1};
	optind = 0;
	opterr = 0;
	while (is_good && (code = getopt_long(argc, argv, ":", long_options, &index)) >= 0) {
		is_good = code == 1 && take_option(params, &options[index], optarg);
		if (code != 1)
			complain(options, argv[0], argv[optind - 1], code == ':');
	}
	if (is_good && optind == argc - 1)
		json_object_set_new(
			params, what ? "name" : PARAM_ARGUMENT, json_string(argv[optind]));
	if (is_good && (optind == argc - 1 || (optind == argc && !what)))
		return params;
	if (is_good)
		cli_misuse(what ? "'sluice %s' needs the name of one %s"
				: "'sluice %s' takes one argument at most",
			argv[0], what);
	json_decref(params);
	return NULL;
}
