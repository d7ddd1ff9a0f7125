/* The shape of a subcommand of `sluice`, and what they share. */
#ifndef SLUICE_CLI_COMMAND_H
#define SLUICE_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses: 0, EXIT_FAILURE, and this for a command line that makes no sense. */
#define EXIT_USAGE 2

struct cli {
	const char *control; /* socket of the daemon */
	bool is_json;	     /* print what the daemon said rather than a table */
};

struct command {
	const char *name;					  /* one word or two */
	int (*run)(const struct cli *cli, int argc, char **argv); /* argv[0] is the name */
	const char *arguments;
	const char *line; /* what it does */
};

/*
 * Ask the daemon; on failure its reason is printed. Takes `params` over.
 * Returns a new reference, or NULL.
 */
json_t *cli_call(const struct cli *cli, const char *method, json_t *params);

/* Print the result and drop it: as JSON, or in the way of `show`. Returns the exit status. */
int cli_print(const struct cli *cli, json_t *result, void (*show)(const json_t *result));

/* Complain about the command line; returns EXIT_USAGE. */
int cli_misuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The one argument that a command takes; NULL (complained about) if there is not exactly one. */
const char *cli_only_argument(int argc, char **argv, const char *what);

/*
 * Commands that ask and print, without arguments, or with a name as the only one. Return the exit status.
 *
 * @command: as it is typed, for the complaint
 * @what: that the name is of, likewise
 */
int cli_print_all(const struct cli *cli, int argc, const char *command, const char *method,
	void (*show)(const json_t *result));
int cli_print_named(const struct cli *cli, int argc, char **argv, const char *what,
	const char *method, void (*show)(const json_t *result));

/* Values of a JSON object; 0 and "" for what is missing. */
uint64_t cli_number(const json_t *object, const char *key);
double cli_real(const json_t *object, const char *key);
const char *cli_text(const json_t *object, const char *key);
bool cli_is(const json_t *object, const char *key);

int command_disk_list(const struct cli *cli, int argc, char **argv);
int command_disk_show(const struct cli *cli, int argc, char **argv);
int command_disk_add(const struct cli *cli, int argc, char **argv);
int command_disk_remove(const struct cli *cli, int argc, char **argv);
int command_disk_set(const struct cli *cli, int argc, char **argv);
int command_pool_list(const struct cli *cli, int argc, char **argv);
int command_pool_show(const struct cli *cli, int argc, char **argv);
int command_sidecore_list(const struct cli *cli, int argc, char **argv);
int command_nic_list(const struct cli *cli, int argc, char **argv);
int command_nic_show(const struct cli *cli, int argc, char **argv);
int command_nic_add(const struct cli *cli, int argc, char **argv);
int command_nic_set(const struct cli *cli, int argc, char **argv);
int command_nic_remove(const struct cli *cli, int argc, char **argv);
int command_net_show(const struct cli *cli, int argc, char **argv);
int command_net_top(const struct cli *cli, int argc, char **argv);
int command_module_list(const struct cli *cli, int argc, char **argv);
int command_module_show(const struct cli *cli, int argc, char **argv);
int command_module_restart(const struct cli *cli, int argc, char **argv);
int command_vm_run(const struct cli *cli, int argc, char **argv);
int command_vm_list(const struct cli *cli, int argc, char **argv);
int command_vm_show(const struct cli *cli, int argc, char **argv);
int command_vm_stat(const struct cli *cli, int argc, char **argv);
int command_vm_stop(const struct cli *cli, int argc, char **argv);
int command_demo_net(const struct cli *cli, int argc, char **argv);
int command_reload(const struct cli *cli, int argc, char **argv);
int command_export(const struct cli *cli, int argc, char **argv);
int command_status(const struct cli *cli, int argc, char **argv);

#endif
