#include "base/units.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Smallest first; the formatters walk down from the end. */
static const struct unit duration_units[] = {
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000000},
	{"s", 1000000000},
	{"min", 60000000000},
	{"h", 3600000000000},
	{0},
};
static const struct unit byte_units[] = {
	{"", 1},
	{"B", 1},
	{"kB", 1000},
	{"KiB", 1ull << 10},
	{"MB", 1000000},
	{"MiB", 1ull << 20},
	{"GB", 1000000000},
	{"GiB", 1ull << 30},
	{"TB", 1000000000000},
	{"TiB", 1ull << 40},
	{0},
};
/* Eighths of a byte would be fractions, so the factors are bytes, and one bit is not a unit. */
static const struct unit bandwidth_units[] = {
	{"kbit", 125},
	{"Mbit", 125000},
	{"Gbit", 125000000},
	{0},
};
static const struct unit count_units[] = {
	{"", 1},
	{"k", 1000},
	{"M", 1000000},
	{"G", 1000000000},
	{0},
};

struct quantity {
	const char *what;
	const char *example;
	const struct unit *units;
};

static const struct quantity duration = {
	"a duration", "5ms (ns, us, ms, s, min, h)", duration_units};
static const struct quantity byte_size = {"a size", "64KiB (B, KiB, MiB, GiB, TiB)", byte_units};
static const struct quantity bandwidth = {
	"a bandwidth", "500Mbit (kbit, Mbit, Gbit)", bandwidth_units};
static const struct quantity plain_count = {"a number", "2500 or 2.5k (k, M, G)", count_units};

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (strcmp(units->name, name) == 0)
			return units;
	return NULL;
}

static int not_understood(const struct quantity *quantity, const char *text, struct error *error)
{
	return error_set(error, -EINVAL, "'%s' is not %s; write it like %s", text, quantity->what,
		quantity->example);
}

/* Whole numbers are exact to the last of 64 bits; fractions go through long double. */
static int scale(const char *text, const char *end, uint64_t factor, uint64_t *value)
{
	bool is_whole = !memchr(text, '.', (size_t)(end - text));
	long double scaled;
	uint64_t whole;

	errno = 0;
	if (is_whole) {
		whole = strtoull(text, NULL, 10);
		return errno || __builtin_mul_overflow(whole, factor, value) ? -ERANGE : 0;
	}
	scaled = strtold(text, NULL) * (long double)factor;
	if (scaled >= 18446744073709551615.0L)
		return -ERANGE;
	*value = (uint64_t)(scaled + 0.5L);
	return 0;
}

static const char *skip_number(const char *text)
{
	const char *end = text;

	while (isdigit((unsigned char)*end))
		end++;
	if (*end == '.' && end > text && isdigit((unsigned char)end[1]))
		for (end++; isdigit((unsigned char)*end);)
			end++;
	return end;
}

static int parse(
	const struct quantity *quantity, const char *text, uint64_t *value, struct error *error)
{
	const char *end = skip_number(text);
	const char *name = end;
	const struct unit *unit;

	if (end == text)
		return not_understood(quantity, text, error);
	while (*name == ' ')
		name++;
	unit = strcmp(text, "0") == 0 ? &quantity->units[0] : find_unit(quantity->units, name);
	if (!unit)
		return not_understood(quantity, text, error);
	if (scale(text, end, unit->factor, value) < 0)
		return error_set(error, -ERANGE, "'%s' is too large", text);
	return 0;
}

int units_parse_duration_ns(const char *text, uint64_t *duration_ns, struct error *error)
{
	return parse(&duration, text, duration_ns, error);
}

int units_parse_bytes(const char *text, uint64_t *bytes, struct error *error)
{
	return parse(&byte_size, text, bytes, error);
}

int units_parse_bandwidth(const char *text, uint64_t *bytes_per_s, struct error *error)
{
	return parse(&bandwidth, text, bytes_per_s, error);
}

int units_parse_count(const char *text, uint64_t *count, struct error *error)
{
	return parse(&plain_count, text, count, error);
}

/* "1.50" and "2.00" read better as "1.5" and "2". */
static void trim_zeros(char *number)
{
	char *end = number + strlen(number) - 1;

	if (!strchr(number, '.'))
		return;
	while (*end == '0')
		*end-- = '\0';
	if (*end == '.')
		*end = '\0';
}

static char *format(char *text, uint64_t value, const struct unit *unit)
{
	char number[UNITS_TEXT_BYTES / 2];
	double scaled = (double)value / (double)unit->factor;

	if (value % unit->factor == 0)
		snprintf(number, sizeof number, "%" PRIu64, value / unit->factor);
	else
		snprintf(number, sizeof number, "%.*f",
			scaled < 10    ? 2
			: scaled < 100 ? 1
				       : 0,
			scaled);
	trim_zeros(number);
	snprintf(text, UNITS_TEXT_BYTES, "%s%s", number, unit->name);
	return text;
}

static const struct unit *largest_unit(const struct unit *units, uint64_t value, bool binary)
{
	const struct unit *best = units;

	for (; units->name; units++)
		if (value >= units->factor &&
			(!binary || (units->factor & (units->factor - 1)) == 0))
			best = units;
	return best;
}

char *units_format_duration(char *text, uint64_t duration_ns)
{
	return format(text, duration_ns, largest_unit(duration_units, duration_ns, false));
}

char *units_format_bytes(char *text, uint64_t bytes)
{
	return format(text, bytes, largest_unit(byte_units, bytes, true));
}

char *units_format_bandwidth(char *text, uint64_t bytes_per_s)
{
	return format(text, bytes_per_s, largest_unit(bandwidth_units, bytes_per_s, false));
}

char *units_format_count(char *text, uint64_t count)
{
	return format(text, count, largest_unit(count_units, count, false));
}
