#include "control/methods/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *params_name(const json_t *params, struct error *error)
{
	const char *name = json_string_value(json_object_get(params, "name"));

	if (!name)
		error_set(error, -EINVAL, "'name' is missing");
	return name;
}

int params_load(const json_t *value, params_loader *load, void *part, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	char *text = json_dumps(value, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	int result = error_set(error, -ENOMEM, "out of memory");

	if (problems && text) {
		load(text, strlen(text), part, problems);
		result = problems_error(problems, error);
	}
	free(text);
	free(problems);
	return result;
}
