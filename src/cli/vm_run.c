/* `sluice vm run`: from the configuration and the command line to a description, and a process that has it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/program_path.h"
#include "cli/vm_console.h"
#include "cli/vm_options.h"
#include "cli/vm_sockets.h"
#include "control/configuration/configuration.h"
#include "control/configuration/references.h"
#include "control/configuration/vm_values.h"
#include "control/socket/run_directory.h"
#include "control/vm/vm_exit_status.h"

static int fail(const struct error *error)
{
	fprintf(stderr, "sluice: %s\n", error->message);
	return VM_EXIT_FAILED;
}

/* What a file or the command line has wrong, each with its place. */
static int complain(const struct problems *problems, const char *where)
{
	problems_print(problems, where, stderr);
	return VM_EXIT_USAGE;
}

/* The entry leaves its tree, which is freed. */
static struct vm_settings *take_entry(struct configuration *configuration, unsigned index)
{
	struct vm_settings *vm = malloc(sizeof *vm);

	if (!vm)
		return NULL;
	*vm = configuration->vms[index];
	configuration->vms[index] = (struct vm_settings){.name = NULL};
	return vm;
}

static int load_entry(
	const char *file, const char *name, struct vm_settings **vm, struct problems *problems)
{
	struct configuration *configuration;
	struct error error;
	int result = configuration_load_file(file, &configuration, problems, &error);

	if (problems->count)
		return complain(problems, file);
	if (result < 0)
		return fail(&error);
	result = reference_to_vm(configuration, name, &error);
	if (result >= 0) {
		*vm = take_entry(configuration, (unsigned)result);
		result = *vm ? 0 : error_set(&error, -ENOMEM, "out of memory");
	} else {
		error_prefix(&error, result, "%s: ", file);
	}
	configuration_free(configuration);
	return result < 0 ? fail(&error) : 0;
}

static int load_alone(const char *file, struct vm_settings **vm, struct problems *problems)
{
	struct error error;
	int result = configuration_load_vm_file(file, vm, problems, &error);

	if (problems->count)
		return complain(problems, file);
	return result < 0 ? fail(&error) : 0;
}

static int complain_of_options(
	const struct vm_options *options, struct problems *problems, const char *where)
{
	vm_options_complain(options, problems);
	return complain(problems, where);
}

static int add_options(
	const struct vm_options *options, struct vm_settings **vm, struct problems *problems)
{
	char *text = json_dumps(options->settings, JSON_ENSURE_ASCII);

	if (text)
		configuration_load_vm(text, strlen(text), vm, problems);
	free(text);
	return problems->count ? complain_of_options(options, problems, "command line") : 0;
}

/* Where it is described, but for options. */
static const char *file_of(const struct vm_options *options)
{
	if (options->file)
		return options->file;
	return options->config ? options->config : CONFIGURATION_FILE_DEFAULT;
}

/* Everything that is said about it, from wherever. */
static int load(
	const struct vm_options *options, struct vm_settings **vm, struct problems *problems)
{
	int status = 0;

	if (options->name)
		status = load_entry(file_of(options), options->name, vm, problems);
	else if (options->file)
		status = load_alone(options->file, vm, problems);
	return status ? status : add_options(options, vm, problems);
}

static int describe(const struct cli *cli, const struct vm_options *options,
	const struct vm_settings *vm, struct vm_description *description, struct problems *problems)
{
	struct error error;

	values_of_vm(vm, "", description, problems);
	if (problems->count)
		return complain_of_options(options, problems, file_of(options));
	description->sandbox = options->sandbox;
	return vm_sockets_find(description, cli->control, &error) < 0 ? fail(&error) : 0;
}

/* Beside this program, wherever that was copied to; else where it was installed. */
static bool find_program(char path[PATH_MAX])
{
	char own[PATH_MAX];

	if (program_path_build(own))
		return program_path_join(path, own, "/src/vmm/process/sluice-vm");
	program_path_own(own);
	if (program_path_join(path, own, "-vm") && access(path, X_OK) == 0)
		return true;
	return program_path_join(path, SLUICE_LIBEXEC_DIRECTORY, "/sluice-vm");
}

/* The VM's process may not remove anything, so its socket is left; unless another VM has it by now. */
static void remove_socket(const char *name)
{
	char path[PATH_MAX], lock_path[PATH_MAX + sizeof ".lock"];
	int lock;

	run_directory_vm_socket(name, path, sizeof path);
	snprintf(lock_path, sizeof lock_path, "%s.lock", path);
	lock = open(lock_path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (lock < 0)
		return;
	if (flock(lock, LOCK_EX | LOCK_NB) == 0)
		unlink(path);
	close(lock);
}

/* A process that was killed could not say why. */
static int explain(int status, const char *name)
{
	int signal = WTERMSIG(status);

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (signal == SIGSYS)
		fprintf(stderr,
			"sluice: VM '%s': its process used a system call that its sandbox does not "
			"allow, and was ended; the kernel's log names it ('journalctl -k -g "
			"type=1326'), and --sandbox=log lets it\n",
			name);
	else
		fprintf(stderr, "sluice: VM '%s': its process was ended by signal %d (%s)\n", name,
			signal, strsignal(signal));
	return VM_EXIT_KILLED;
}

static int run(const struct vm_description *description, const char *console)
{
	json_t *encoded = vm_description_encode(description);
	struct vm_console_config config = {.file = console};
	char *text = json_dumps(encoded, JSON_COMPACT);
	char program[PATH_MAX];
	struct error error;
	int status = -EINVAL;

	json_decref(encoded);
	if (!text || !find_program(program))
		error_set(&error, -EINVAL, "a path is too long, or is not UTF-8");
	else {
		config.program = program;
		config.argument = text;
		status = vm_console_run(&config, &error);
	}
	free(text);
	if (status < 0)
		return fail(&error);
	remove_socket(description->name);
	return explain(status, description->name);
}

int command_vm_run(const struct cli *cli, int argc, char **argv)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_settings *vm = NULL;
	struct vm_options options;
	int status = vm_options_parse(argc, argv, &options);

	if (status == 0 && (!problems || !description))
		status = EXIT_FAILURE;
	if (status == 0)
		status = load(&options, &vm, problems);
	if (status == 0)
		status = describe(cli, &options, vm, description, problems);
	configuration_free_vm(vm);
	if (status == 0)
		status = run(description, options.console);
	vm_options_free(&options);
	free(description);
	free(problems);
	return status;
}
