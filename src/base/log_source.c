#include "base/log_source.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

#define MINUTE_NS (60 * NS_PER_S)

static unsigned limit(const struct log_source *source)
{
	return source->lines_per_minute ? source->lines_per_minute : LOG_SOURCE_LINES_PER_MINUTE;
}

bool log_source_admits(struct log_source *source, uint64_t now_ns)
{
	if (now_ns - source->minute_began_ns >= MINUTE_NS) {
		source->minute_began_ns = now_ns;
		source->lines = 0;
	}
	if (source->lines == limit(source)) {
		source->left_out++;
		return false;
	}
	source->lines++;
	return true;
}

void log_from(struct log_source *source, enum log_level level, const char *format, ...)
{
	va_list arguments;
	char text[768];

	if (!log_source_admits(source, clock_now_ns()))
		return;
	if (source->left_out)
		log_info("%s: %u lines were left out", source->name, source->left_out);
	source->left_out = 0;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	log_line(level, "%s: %s%s", source->name, text,
		source->lines < limit(source)
			? ""
			: " (for a minute, more lines about it are left out)");
}
