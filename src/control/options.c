#include "control/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "control/configuration/configuration.h"

const char options_help[] =
	"Usage: sluiced [--config FILE] [--control SOCKET]\n"
	"       sluiced --check [--config FILE]\n"
	"       sluiced --blk-file FILE (--socket-path PATH | --fd N) [--read-only]\n"
	"\n"
	"Serve disks to virtual machines over vhost-user from dedicated hypervisor cores.\n"
	"\n"
	"  --config FILE         what to serve (" CONFIGURATION_FILE_DEFAULT ")\n"
	"  --control SOCKET      where the sluice command finds this daemon\n"
	"  --check               say what is wrong with the configuration, and stop\n"
	"  --blk-file FILE       serve this one image or block device, without a configuration\n"
	"  --socket-path PATH    at this vhost-user socket\n"
	"  --fd N                or over this socket, which the daemon has inherited\n"
	"  --read-only           and let nobody write to it\n"
	"  --print-capabilities  print what this vhost-user program can do, as JSON\n"
	"  --log-level LEVEL     error, warning, info (the default) or debug\n"
	"  --version             print the version\n"
	"  --help                print this\n"
	"\n"
	"See sluiced(8) and sluice.yaml(5).\n";

enum option_code {
	OPTION_CONFIG = 'c',
	OPTION_CONTROL = 256,
	OPTION_CHECK,
	OPTION_BLK_FILE,
	OPTION_SOCKET_PATH,
	OPTION_FD,
	OPTION_READ_ONLY,
	OPTION_CAPABILITIES,
	OPTION_LOG_LEVEL,
	OPTION_VERSION,
	OPTION_HELP = 'h',
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"control", required_argument, NULL, OPTION_CONTROL},
	{"check", no_argument, NULL, OPTION_CHECK},
	{"blk-file", required_argument, NULL, OPTION_BLK_FILE},
	{"socket-path", required_argument, NULL, OPTION_SOCKET_PATH},
	{"fd", required_argument, NULL, OPTION_FD},
	{"read-only", no_argument, NULL, OPTION_READ_ONLY},
	{"print-capabilities", no_argument, NULL, OPTION_CAPABILITIES},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{0},
};

static int parse_fd(const char *text, int *fd, struct error *error)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > INT_MAX)
		return error_set(
			error, -EINVAL, "--fd: '%s' is not the number of a file descriptor", text);
	*fd = (int)value;
	return 0;
}

static int parse_level(const char *text, enum log_level *level, struct error *error)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	for (unsigned i = 0; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(text, names[i]) == 0) {
			*level = (enum log_level)i;
			return 0;
		}
	return error_set(error, -EINVAL,
		"--log-level: '%s' is not one of error, warning, info, debug", text);
}

static int take_option(int code, struct options *options, struct error *error)
{
	const struct {
		int code;
		const char **text;
		bool *flag;
	} simple[] = {
		{OPTION_CONFIG, &options->config, NULL},
		{OPTION_CONTROL, &options->control, NULL},
		{OPTION_BLK_FILE, &options->blk_file, NULL},
		{OPTION_SOCKET_PATH, &options->socket_path, NULL},
		{OPTION_CHECK, NULL, &options->is_check},
		{OPTION_READ_ONLY, NULL, &options->is_read_only},
		{OPTION_CAPABILITIES, NULL, &options->is_capabilities},
		{OPTION_VERSION, NULL, &options->is_version},
		{OPTION_HELP, NULL, &options->is_help},
	};

	if (code == OPTION_FD)
		return parse_fd(optarg, &options->fd, error);
	if (code == OPTION_LOG_LEVEL)
		return parse_level(optarg, &options->log_level, error);
	for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
		if (simple[i].code != code)
			continue;
		if (simple[i].text)
			*simple[i].text = optarg;
		else
			*simple[i].flag = true;
		return 0;
	}
	return error_set(error, -EINVAL, "see 'sluiced --help'");
}

static int check_combination(const struct options *options, struct error *error)
{
	bool is_fd = options->fd >= 0, is_path = options->socket_path;

	if (!options->blk_file && (is_fd || is_path || options->is_read_only))
		return error_set(error, -EINVAL,
			"--socket-path, --fd and --read-only belong to --blk-file FILE; add it");
	if (options->blk_file && is_fd == is_path)
		return error_set(
			error, -EINVAL, "--blk-file needs one of --socket-path PATH and --fd N");
	if (options->blk_file && options->config)
		return error_set(error, -EINVAL,
			"--blk-file serves one disk without a configuration; drop --config");
	return 0;
}

int options_parse(int argc, char **argv, struct options *options, struct error *error)
{
	int code, result;

	*options = (struct options){.fd = -1, .log_level = LOG_LEVEL_INFO};
	while ((code = getopt_long(argc, argv, "c:h", long_options, NULL)) >= 0) {
		result = take_option(code, options, error);
		if (result < 0)
			return result;
	}
	if (optind < argc)
		return error_set(error, -EINVAL, "'%s' is not understood; see 'sluiced --help'",
			argv[optind]);
	/* What is only asked about itself ignores everything else. */
	if (options->is_capabilities || options->is_version || options->is_help)
		return 0;
	result = check_combination(options, error);
	if (result == 0 && !options->config && !options->blk_file)
		options->config = CONFIGURATION_FILE_DEFAULT;
	return result;
}
