#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_source.h"

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

static void write_line(enum log_level level, const char *text)
{
	char line[1024];
	const char *prefix =
		getenv("JOURNAL_STREAM") ? levels[level].journal_prefix : levels[level].name;
	int length = snprintf(line, sizeof line, "%s%s", prefix, text);

	if ((size_t)length > sizeof line - 2)
		length = sizeof line - 2;
	line[length++] = '\n';
	/* Nothing can be done about a log that cannot be written. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

static const char *behind(const char *prefix, const char *line)
{
	const size_t length = strlen(prefix);

	return length && strncmp(line, prefix, length) == 0 ? line + length : NULL;
}

enum log_level log_level_of(const char *line, const char **text)
{
	for (unsigned level = 0; level < sizeof levels / sizeof *levels; level++) {
		*text = behind(levels[level].journal_prefix, line);
		if (!*text)
			*text = behind(levels[level].name, line);
		if (*text)
			return (enum log_level)level;
	}
	*text = line;
	return LOG_LEVEL_INFO;
}

/* ---- a bound for all lines ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_source process;
static bool is_bounded; /* written with the lock; without a bound there is nothing to lock */

void log_bound(const char *name)
{
	pthread_mutex_lock(&lock);
	process = (struct log_source){.name = name, .lines_per_minute = LOG_LINES_PER_MINUTE};
	__atomic_store_n(&is_bounded, name != NULL, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&lock);
}

static void say_what_was_left_out(void)
{
	char text[256];

	snprintf(text, sizeof text, "%s: %u lines were left out", process.name, process.left_out);
	process.left_out = 0;
	write_line(LOG_LEVEL_INFO, text);
}

static void say_that_more_are_left_out(void)
{
	char text[256];

	snprintf(text, sizeof text, "%s: for a minute, more lines are left out", process.name);
	write_line(LOG_LEVEL_INFO, text);
}

static void write_if_admitted(enum log_level level, const char *text)
{
	if (!log_source_admits(&process, clock_now_ns()))
		return;
	if (process.left_out)
		say_what_was_left_out();
	write_line(level, text);
	if (process.lines == process.lines_per_minute)
		say_that_more_are_left_out();
}

static void write_bounded(enum log_level level, const char *text)
{
	pthread_mutex_lock(&lock);
	write_if_admitted(level, text);
	pthread_mutex_unlock(&lock);
}

/* ---- one line ---- */

void log_line(enum log_level level, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	if (level > __atomic_load_n(&threshold, __ATOMIC_RELAXED))
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (__atomic_load_n(&is_bounded, __ATOMIC_RELAXED))
		write_bounded(level, text);
	else
		write_line(level, text);
}
