#include "control/configuration/values.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

void value_text(char *to, size_t size, const char *text, const char *parent, const char *key,
	struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!text || strlen(text) < size) {
		snprintf(to, size, "%s", text ? text : "");
		return;
	}
	path_key(path, parent, key);
	problems_add(problems, path, "is %zu bytes long; at most %zu are possible", strlen(text),
		size - 1);
}

void value_file(char *to, size_t size, const char *text, const char *parent, const char *key,
	struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!text || *text == '/') {
		value_text(to, size, text, parent, key, problems);
		return;
	}
	path_key(path, parent, key);
	problems_add(problems, path, "'%s' is relative; write the whole path, from /", text);
}

void value_name(
	char *to, size_t size, const char *name, const char *parent, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];
	size_t good = 0;

	while (isalnum((unsigned char)name[good]) ||
		(good && name[good] && strchr("._-", name[good])))
		good++;
	if (good == strlen(name)) {
		value_text(to, size, name, parent, "name", problems);
		return;
	}
	path_key(path, parent, "name");
	problems_add(problems, path,
		"'%s' is not a name; use letters, digits, '.', '_' and '-', a letter or digit "
		"first",
		name);
}

void value_quantity(units_parser *parse, const char *text, const char *parent, const char *key,
	uint64_t *value, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];
	struct error error;

	if (!text || parse(text, value, &error) == 0)
		return;
	path_key(path, parent, key);
	problems_add(problems, path, "%s", error.message);
}

void value_units(const char *text, const char *parent, const char *key, double *value,
	struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];
	size_t length = text ? strlen(text) : 0;

	if (!text)
		return;
	if (isdigit((unsigned char)*text) && strspn(text, "0123456789.") == length &&
		strchr(text, '.') == strrchr(text, '.') && length < 32) {
		*value = strtod(text, NULL);
		return;
	}
	path_key(path, parent, key);
	problems_add(problems, path, "'%s' is not a number of cost units; write it like 0.8", text);
}

void values_of_sidecore(const struct sidecore_settings *settings, const char *path,
	struct sidecore_config *config, struct problems *problems)
{
	*config = (struct sidecore_config){
		.cpu = settings->cpu ? *settings->cpu : SIDECORE_NOT_PINNED,
		.poll_ns_max = SIDECORE_POLL_NS_DEFAULT,
	};
	value_name(config->name, sizeof config->name, settings->name, path, problems);
	value_quantity(units_parse_duration_ns, settings->poll, path, "poll", &config->poll_ns_max,
		problems);
}
