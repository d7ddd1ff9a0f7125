#include "store_options.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "commit_log.h"

#define MEMORY_BYTES_USUAL (512u << 20) /* where there is no limit */
#define MEMORY_BYTES_MIN (32u << 20)
#define TRANSACTION_BYTES_MIN (64u << 10)
#define TRANSACTION_BYTES_MAX (2u << 30)
#define BACKGROUND_THREADS_MAX 64u

/* Changes take more of a transaction than of a record. */
_Static_assert(TRANSACTION_BYTES_MAX < LOG_RECORD_BYTES_MAX, "a transaction is a record");

struct option_reader {
	const char *name;
	int (*read)(struct store_options *options, const char *value, struct error *error);
};

static int read_transaction_bytes(
	struct store_options *options, const char *value, struct error *error)
{
	uint64_t bytes;
	int failure = units_parse_bytes(value, &bytes, error);

	if (failure)
		return failure;
	if (bytes < TRANSACTION_BYTES_MIN)
		return error_set(error, -ERANGE, "it must be at least %u", TRANSACTION_BYTES_MIN);
	if (bytes > TRANSACTION_BYTES_MAX)
		return error_set(error, -ERANGE, "it must be at most %u", TRANSACTION_BYTES_MAX);
	options->transaction_bytes_max = bytes;
	return 0;
}

static int read_background_threads(
	struct store_options *options, const char *value, struct error *error)
{
	uint64_t count;

	if (units_parse_count(value, &count, error) || !count || count > BACKGROUND_THREADS_MAX)
		return error_set(error, -ERANGE, "it must be from 1 to %u", BACKGROUND_THREADS_MAX);
	options->background_threads = (unsigned)count;
	return 0;
}

static const struct option_reader option_readers[] = {
	{"transaction_bytes_max", read_transaction_bytes},
	{"background_threads", read_background_threads},
};

static int read_option(
	struct store_options *options, const struct module_option *option, struct error *error)
{
	for (size_t i = 0; i < sizeof option_readers / sizeof option_readers[0]; i++) {
		int failure;

		if (strcmp(option_readers[i].name, option->name) != 0)
			continue;
		failure = option_readers[i].read(options, option->value, error);
		return failure ? error_prefix(error, failure, "option '%s': ", option->name) : 0;
	}
	return error_set(error, -EINVAL,
		"option '%s' is not known: there are transaction_bytes_max and background_threads",
		option->name);
}

int store_options_read(
	const struct module_setup *setup, struct store_options *options, struct error *error)
{
	int failure = 0;

	*options = (struct store_options){.background_threads = 2,
		.memory_bytes =
			setup->memory_bytes_max ? setup->memory_bytes_max : MEMORY_BYTES_USUAL};
	if (options->memory_bytes < MEMORY_BYTES_MIN)
		return error_set(error, -ERANGE, "the module needs at least %u MiB of memory",
			MEMORY_BYTES_MIN >> 20);
	options->transaction_bytes_max = options->memory_bytes / 8 < TRANSACTION_BYTES_MAX
						 ? options->memory_bytes / 8
						 : TRANSACTION_BYTES_MAX;
	for (size_t i = 0; i < setup->option_count && !failure; i++)
		failure = read_option(options, &setup->options[i], error);
	return failure;
}
