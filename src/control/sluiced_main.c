/* sluiced: from the command line to a running host, and what signals do to it. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "control/configuration/control_values.h"
#include "control/host/host_modules.h"
#include "control/methods/methods.h"
#include "control/metrics/metrics.h"
#include "control/metrics/metrics_server.h"
#include "control/options.h"
#include "control/service_notify.h"
#include "control/socket/control_server.h"
#include "control/socket/run_directory.h"

/* What QEMU's interface for vhost-user programs wants printed. */
static int print_capabilities(void)
{
	puts("{\n  \"type\": \"block\",\n  \"features\": [\"read-only\", \"blk-file\"]\n}");
	return EXIT_SUCCESS;
}

static int load_file(const char *file, struct configuration **configuration)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct error error = {"out of memory"};
	int result = -ENOMEM;

	if (problems)
		result = configuration_load_file(file, configuration, problems, &error);
	if (result == -EINVAL)
		problems_print(problems, file, stderr);
	else if (result < 0)
		log_error("%s", error.message);
	free(problems);
	return result;
}

static int check(const struct options *options)
{
	struct configuration *configuration;

	if (load_file(options->config, &configuration) < 0)
		return EXIT_FAILURE;
	printf("%s: good: %u sidecores, %u pools, %u disks, %u vNICs, %u VMs, %u modules\n",
		options->config, configuration->sidecores_count, configuration->pools_count,
		configuration->disks_count, configuration->nics_count, configuration->vms_count,
		configuration->modules_count);
	configuration_free(configuration);
	return EXIT_SUCCESS;
}

/* A path as the configuration wants it, from / on. */
static json_t *whole_path(const char *path)
{
	char directory[PATH_MAX] = "", whole[2 * PATH_MAX];

	if (*path == '/' || !getcwd(directory, sizeof directory))
		return json_string(path);
	snprintf(whole, sizeof whole, "%s/%s", directory, path);
	return json_string(whole);
}

/* The configuration that --blk-file stands for; JSON is YAML. */
static int load_single(const struct options *options, struct configuration **configuration)
{
	const char *socket = options->socket_path ? options->socket_path : "/unused";
	struct problems *problems = calloc(1, sizeof *problems);
	json_t *tree = json_pack("{s:[{s:s, s:s}], s:[{s:s, s:o, s:o, s:b}]}", "pools", "name",
		"default", "path", "/", "disks", "name", "disk", "image",
		whole_path(options->blk_file), "socket", whole_path(socket), "read_only",
		options->is_read_only);
	char *text = json_dumps(tree, JSON_ENSURE_ASCII);
	int result = -ENOMEM;

	if (problems && text) {
		configuration_load(text, strlen(text), configuration, problems);
		problems_print(problems, "command line", stderr);
		result = *configuration ? 0 : -EINVAL;
	}
	json_decref(tree);
	free(text);
	free(problems);
	return result;
}

/* Every disk needs descriptors: socket, image, and two per queue of its guest. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

/* Signals arrive as reads, in the one control thread; all threads started later inherit the mask. */
static int open_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	/* A write beyond RLIMIT_FSIZE is an error to one guest, not the end of all. */
	signal(SIGXFSZ, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return -errno;
	return signalfd(-1, &signals, SFD_CLOEXEC);
}

static void reload(struct host *host)
{
	struct error error;

	service_notify("RELOADING=1");
	if (host_reload(host, &error) < 0)
		log_error("%s", error.message);
	else
		log_info("configuration reloaded");
	service_notify("READY=1");
}

/* By which the world reaches the control thread; but for the signals, each may be missing. */
struct entrances {
	int signals;
	struct control_server *control;
	struct metrics_server *metrics;
};

/* Serve clients until there is a signal. Without a server that is all there is to wait for. */
static void serve_clients(struct host *host, const struct entrances *entrances)
{
	struct pollfd others[] = {
		{entrances->signals, POLLIN, 0},
		{metrics_server_fd(entrances->metrics), POLLIN, 0},
		{host_modules_fd(host), POLLIN, 0},
	};

	while (entrances->control && !others[0].revents) {
		control_server_wait(entrances->control, others, sizeof others / sizeof *others,
			metrics_server_timeout_ms(entrances->metrics));
		metrics_server_run(entrances->metrics);
		if (others[2].revents)
			host_settle_modules(host);
	}
}

/* Until a signal says stop; returns which. */
static uint32_t run(struct host *host, const struct entrances *entrances)
{
	struct signalfd_siginfo signal;

	for (;;) {
		serve_clients(host, entrances);
		if (read(entrances->signals, &signal, sizeof signal) != sizeof signal)
			continue;
		if (signal.ssi_signo != SIGHUP)
			return signal.ssi_signo;
		reload(host);
	}
}

static const char *control_path(const struct options *options, const struct host *host)
{
	const struct control_settings *control = host->configuration->control;

	if (options->control)
		return options->control;
	return control && control->socket ? control->socket : run_directory_control_socket();
}

/* The socket comes first, so that two daemons never open the same images. */
static int open_control(const struct options *options, struct host *host,
	struct control_server **server, struct error *error)
{
	const struct control_settings *control = host->configuration->control;

	*server = NULL;
	if (options->blk_file && !options->control)
		return 0;
	return control_server_open(control_path(options, host), control ? control->group : NULL,
		control_methods, host, server, error);
}

static char *render_metrics(void *context, size_t *length)
{
	return metrics_text(context, length);
}

/* A daemon that cannot be watched is still worth more to its guests than none. */
static void open_metrics(struct host *host, struct metrics_server **server)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct sockaddr_storage address;
	struct error error;

	if (!problems)
		return;
	values_of_metrics(host->configuration->control, "control", &address, problems);
	free(problems);
	if (address.ss_family != AF_UNSPEC &&
		metrics_server_open(&address, render_metrics, host, server, &error) < 0)
		log_error("%s", error.message);
}

/* Nobody else can come over an inherited socket: stop as if somebody had asked for it. */
static void stop_self(void)
{
	kill(getpid(), SIGTERM);
}

static int serve(const struct options *options, struct configuration *configuration)
{
	struct host host = {
		.file = options->config, .configuration = configuration, .ended = stop_self};
	struct entrances entrances = {.signals = open_signals()};
	bool is_final = false;
	struct error error;
	int result = 0;

	raise_descriptor_limit();
	if (!options->blk_file)
		result = run_directory_make(&error);
	if (result == 0)
		result = open_control(options, &host, &entrances.control, &error);
	if (result == 0)
		result = host_start(&host, configuration, options->fd, &error);
	/* One lost disk of many is no reason to stop; the only one is. */
	if (result == 0 && options->blk_file && !configuration->disks_count)
		result = error_set(&error, -EIO, "there is nothing to serve");
	if (result == 0) {
		open_metrics(&host, &entrances.metrics);
		log_info("sluiced %s, disks: %u, vNICs: %u, modules: %u", SLUICE_VERSION,
			configuration->disks_count, configuration->nics_count,
			configuration->modules_count);
		service_notify("READY=1");
		is_final = run(&host, &entrances) != SIGUSR1;
		service_notify("STOPPING=1");
		log_info("stopping%s", is_final ? "" : ", for a successor");
	} else {
		log_error("%s", error.message);
	}
	metrics_server_close(entrances.metrics);
	control_server_close(entrances.control);
	host_stop(&host, is_final);
	close(entrances.signals);
	return result < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct configuration *configuration;
	struct options options;
	struct error error;

	if (options_parse(argc, argv, &options, &error) < 0) {
		fprintf(stderr, "sluiced: %s\n", error.message);
		return EXIT_FAILURE;
	}
	log_set_level(options.log_level);
	if (options.is_help)
		return fputs(options_help, stdout) < 0;
	if (options.is_version)
		return puts("sluiced " SLUICE_VERSION) < 0;
	if (options.is_capabilities)
		return print_capabilities();
	if (options.is_check)
		return check(&options);
	if ((options.blk_file ? load_single(&options, &configuration)
			      : load_file(options.config, &configuration)) < 0)
		return EXIT_FAILURE;
	return serve(&options, configuration);
}
