/* Numbers with units from anywhere: what is understood, is understood again when it is written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

#define TEXT_BYTES 64u

static const struct {
	int (*parse)(const char *text, uint64_t *value, struct error *error);
	char *(*format)(char *text, uint64_t value);
} quantities[] = {
	{units_parse_duration_ns, units_format_duration},
	{units_parse_bytes, units_format_bytes},
	{units_parse_count, units_format_count},
};

/* Three digits are right. */
static int is_near(uint64_t value, uint64_t other)
{
	return (value > other ? value - other : other - value) <= value / 200 + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[TEXT_BYTES] = {0}, written[UNITS_TEXT_BYTES];
	struct error error;
	uint64_t value, again;

	memcpy(text, data, size < sizeof text ? size : sizeof text - 1);
	for (unsigned i = 0; i < sizeof quantities / sizeof *quantities; i++) {
		if (quantities[i].parse(text, &value, &error) < 0)
			continue;
		quantities[i].format(written, value);
		/* What was rounded up may be too large. */
		if (quantities[i].parse(written, &again, &error) < 0
				? value < UINT64_MAX / 201 * 200
				: !is_near(value, again))
			abort();
	}
	return 0;
}
