#include "cli/watch_options.h"

#include <getopt.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"

#define INTERVAL_NS_MIN (10 * NS_PER_MS)
#define INTERVAL_NS_MAX (3600 * NS_PER_S)

static int take_interval(const char *text, uint64_t *interval_ns)
{
	struct error error;

	if (units_parse_duration_ns(text, interval_ns, &error) < 0)
		return cli_misuse("--interval: %s", error.message);
	if (*interval_ns < INTERVAL_NS_MIN || *interval_ns > INTERVAL_NS_MAX)
		return cli_misuse("--interval: must be from 10ms to 1h");
	return 0;
}

static int take_count(const char *text, unsigned long *count)
{
	char *end;

	*count = strtoul(text, &end, 10);
	if (end == text || *end || *text == '-' || *count == 0)
		return cli_misuse("--count: '%s' is not a whole number above 0", text);
	return 0;
}

int watch_options_parse(int argc, char **argv, struct watch_options *options)
{
	static const struct option table[] = {{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'c'}, {0}};
	int code, status = 0;

	optind = 0;
	opterr = 0;
	while (status == 0 && (code = getopt_long(argc, argv, ":", table, NULL)) >= 0) {
		if (code == ':')
			return cli_misuse("'%s' needs a value", argv[optind - 1]);
		if (code == '?')
			return cli_misuse(
				"'sluice %s' does not understand '%s'", argv[0], argv[optind - 1]);
		status = code == 'i' ? take_interval(optarg, &options->interval_ns)
				     : take_count(optarg, &options->count);
	}
	return status;
}
