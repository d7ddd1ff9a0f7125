/*
 * Options of commands, as parameters of the control protocol.
 *
 * Theory of operation. Values go to the daemon as the text they are: its own parser says what is
 * wrong with them, in the same words as for sluice.yaml. Only what has to become a number or a list
 * in JSON is looked at here.
 */
#ifndef SLUICE_CLI_PARAM_OPTIONS_H
#define SLUICE_CLI_PARAM_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>

#define PARAM_OPTIONS_MAX 32u
#define PARAM_ARGUMENT "(argument)"

struct param_option {
	const char *name;      /* NULL ends a table, which has at most PARAM_OPTIONS_MAX */
	const char *parent[2]; /* where the value goes below the parameters */
	const char *key;
	/* Put the value into that object; false (complained about) if it is not one. */
	bool (*take)(json_t *object, const struct param_option *option, char *text);
};

bool param_take_text(json_t *object, const struct param_option *option, char *text);
bool param_take_number(json_t *object, const struct param_option *option, char *text);

/* The option has no value. */
bool param_take_flag(json_t *object, const struct param_option *option, char *text);

/* The option has no value, and says no more than that its parent is wanted. */
bool param_take_presence(json_t *object, const struct param_option *option, char *text);

/*
 * Read NAME and options; argv[0] is the command's name.
 *
 * @what: a name is of one of these: "disk"; NULL: one argument may be given, which is no name for the
 *        daemon, and is at PARAM_ARGUMENT
 * Returns the parameters, a new reference; NULL if the command line made no sense (and was
 * complained about).
 */
json_t *param_options_parse(
	const struct param_option *options, const char *what, int argc, char **argv);

#endif
