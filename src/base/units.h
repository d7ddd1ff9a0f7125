/*
 * Numbers with units, as people write them: `5ms`, `64KiB`, `10k`.
 *
 * Parsers refuse what they do not understand completely (no unit where one is needed, trailing
 * text, negative or too large numbers) with a message that shows what would have been right.
 * Fractions are fine (`1.5GiB`). Formatters pick the largest unit that keeps the number exact or
 * three digits long, and write what the parsers read.
 */
#ifndef SLUICE_BASE_UNITS_H
#define SLUICE_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* ns, us, ms, s, min, h. A unit is required, except for 0. Returns 0, -EINVAL or -ERANGE. */
int units_parse_duration_ns(const char *text, uint64_t *duration_ns, struct error *error);

/* B, KiB, MiB, GiB, TiB and kB, MB, GB, TB; a bare number is bytes. Returns 0, -EINVAL or -ERANGE. */
int units_parse_bytes(const char *text, uint64_t *bytes, struct error *error);

/* kbit, Mbit, Gbit (powers of 1000) per second, as bytes per second. A unit is required, except for 0. */
int units_parse_bandwidth(const char *text, uint64_t *bytes_per_s, struct error *error);

/* A plain number, or one with k, M or G (powers of 1000). Returns 0, -EINVAL or -ERANGE. */
int units_parse_count(const char *text, uint64_t *count, struct error *error);

#define UNITS_TEXT_BYTES 32

/*
 * Write "4.25ms", "64KiB", "481Mbit", "12.5k" into `text`, at least UNITS_TEXT_BYTES long; return
 * `text`.
 */
char *units_format_duration(char *text, uint64_t duration_ns);
char *units_format_bytes(char *text, uint64_t bytes);
char *units_format_bandwidth(char *text, uint64_t bytes_per_s);
char *units_format_count(char *text, uint64_t count);

#endif
