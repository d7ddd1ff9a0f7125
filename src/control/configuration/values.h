/*
 * What settings mean: from the text of a configuration ("5ms", NULL for "not given") to the plain
 * numbers that sidecores, pools and disks are made with. Values that make no sense are added to
 * `problems`, at a path below the given one.
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_VALUES_H

#include "control/configuration/configuration.h"
#include "disk/disk.h"
#include "disk/pool.h"
#include "sidecore/sidecore.h"
#include "slo/slo.h"

#define LARGEST_REQUEST_BYTES_DEFAULT (1u << 20)

void values_of_sidecore(const struct sidecore_settings *settings, const char *path,
	struct sidecore_config *config, struct problems *problems);

void values_of_pool(const struct pool_settings *settings, const char *path,
	struct pool_config *config, struct problems *problems);

/*
 * @run_directory: where the socket goes that has no path of its own
 */
void values_of_disk(const struct disk_settings *settings, const char *path,
	const char *run_directory, struct disk_config *config, struct problems *problems);

/* settings may be NULL: best effort, default weight. */
void values_of_slo(const struct slo_settings *settings, const char *path, struct slo *slo,
	struct problems *problems);

/* ---- The pieces ---- */

/* A name: letters, digits, '.', '_' and '-', the first a letter or digit, shorter than `size`. */
void value_name(
	char *to, size_t size, const char *name, const char *parent, struct problems *problems);

typedef int units_parser(const char *text, uint64_t *value, struct error *error);

/* A quantity in units; `value` is left as it is if the key `key` below `parent` is not given. */
void value_quantity(units_parser *parse, const char *text, const char *parent, const char *key,
	uint64_t *value, struct problems *problems);

/* A decimal number of cost units; likewise. */
void value_units(const char *text, const char *parent, const char *key, double *value,
	struct problems *problems);

/* Copy a text that must be shorter than `size`. */
void value_text(char *to, size_t size, const char *text, const char *parent, const char *key,
	struct problems *problems);

/* A path from / on, since the process that opens it may be elsewhere; likewise. */
void value_file(char *to, size_t size, const char *text, const char *parent, const char *key,
	struct problems *problems);

#endif
