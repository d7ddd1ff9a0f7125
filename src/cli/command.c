#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/socket/control_client.h"

json_t *cli_call(const struct cli *cli, const char *method, json_t *params)
{
	json_t *result = NULL;
	struct error error;

	if (control_call(cli->control, method, params, &result, &error) == 0)
		return result;
	fprintf(stderr, "sluice: %s\n", error.message);
	json_decref(result);
	return NULL;
}

int cli_print(const struct cli *cli, json_t *result, void (*show)(const json_t *result))
{
	if (!result)
		return EXIT_FAILURE;
	if (!cli->is_json)
		show(result);
	else if (json_dumpf(result, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0)
		putchar('\n');
	json_decref(result);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int cli_misuse(const char *format, ...)
{
	va_list arguments;

	fputs("sluice: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs("; see 'sluice help'\n", stderr);
	return EXIT_USAGE;
}

const char *cli_only_argument(int argc, char **argv, const char *what)
{
	if (argc == 2 && argv[1][0] != '-')
		return argv[1];
	cli_misuse("'sluice %s' needs one argument: the name of a %s", argv[0], what);
	return NULL;
}

int cli_print_all(const struct cli *cli, int argc, const char *command, const char *method,
	void (*show)(const json_t *result))
{
	if (argc > 1)
		return cli_misuse("'sluice %s' takes no arguments", command);
	return cli_print(cli, cli_call(cli, method, json_object()), show);
}

int cli_print_named(const struct cli *cli, int argc, char **argv, const char *what,
	const char *method, void (*show)(const json_t *result))
{
	const char *name = cli_only_argument(argc, argv, what);

	if (!name)
		return EXIT_USAGE;
	return cli_print(cli, cli_call(cli, method, json_pack("{s:s}", "name", name)), show);
}

uint64_t cli_number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

double cli_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *cli_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool cli_is(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
