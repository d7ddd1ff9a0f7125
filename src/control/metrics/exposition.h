/*
 * Prometheus' text format, version 0.0.4: groups of metrics that share their labels, each metric with
 * what it is and a line per subject (a disk, a vNIC, ...).
 */
#ifndef SLUICE_CONTROL_METRICS_EXPOSITION_H
#define SLUICE_CONTROL_METRICS_EXPOSITION_H

#include <stddef.h>
#include <stdio.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define METRIC_LABELS_MAX 5u

enum metric_value {
	METRIC_COUNT,	  /* uint64_t, which another thread may be writing */
	METRIC_REAL,	  /* double */
	METRIC_TRUTH,	  /* bool: 0 or 1 */
	METRIC_HISTOGRAM, /* struct histogram of nanoseconds; comes out in seconds */
};

struct metric {
	const char *name;
	const char *type; /* "counter", "gauge" or "histogram" */
	const char *help;
	enum metric_value value;
	size_t offset;	/* of the value in a subject's sample */
	double divisor; /* of the value; 0: none */
};

struct metric_group {
	const char *labels[METRIC_LABELS_MAX]; /* their names */
	const struct metric *metrics;
	unsigned metric_count;
};

struct metric_subject {
	const char *labels[METRIC_LABELS_MAX]; /* their values, in the group's order */
	const void *sample;
};

/* Write a group; nothing at all if there are no subjects. */
void exposition_write(FILE *to, const struct metric_group *group,
	const struct metric_subject *subjects, unsigned count);

#endif
