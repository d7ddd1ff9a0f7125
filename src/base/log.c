#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct {
	const char *name;
	const char *journal_prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error: ", "<3>"},
	[LOG_LEVEL_WARNING] = {"warning: ", "<4>"},
	[LOG_LEVEL_INFO] = {"", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug: ", "<7>"},
};

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	const char *prefix =
		getenv("JOURNAL_STREAM") ? levels[level].journal_prefix : levels[level].name;
	va_list arguments;
	int length;

	if (level > __atomic_load_n(&threshold, __ATOMIC_RELAXED))
		return;
	length = snprintf(line, sizeof line, "%s", prefix);
	va_start(arguments, format);
	length += vsnprintf(line + length, sizeof line - (size_t)length, format, arguments);
	va_end(arguments);
	if ((size_t)length > sizeof line - 2)
		length = sizeof line - 2;
	line[length++] = '\n';
	/* Nothing can be done about a log that cannot be written. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}
