/*
 * The log: one line per event, on standard error.
 *
 * Under systemd (JOURNAL_STREAM is set) lines carry the "<N>" priority prefix that the journal
 * understands; elsewhere they carry the level's name. Never called per request on a fast path.
 */
#ifndef SLUICE_BASE_LOG_H
#define SLUICE_BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Drop everything less important than `level`; the default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

/* Write one line (no newline in `format`). Thread-safe: a line is one write(2). */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The level of a line that another process has written so, and where its text begins; LOG_LEVEL_INFO and all of it, if it has not. */
enum log_level log_level_of(const char *line, const char **text);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
