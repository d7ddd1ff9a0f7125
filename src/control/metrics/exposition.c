#include "control/metrics/exposition.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/histogram.h"

/*
 * What a time was at most, in nanoseconds. Our own histogram is finer and its limits are no round
 * numbers: a bucket of it that reaches beyond a bound counts in the next one.
 */
static const uint64_t bounds_ns[] = {
	10 * NS_PER_US,
	25 * NS_PER_US,
	50 * NS_PER_US,
	100 * NS_PER_US,
	250 * NS_PER_US,
	500 * NS_PER_US,
	1 * NS_PER_MS,
	2500 * NS_PER_US,
	5 * NS_PER_MS,
	10 * NS_PER_MS,
	25 * NS_PER_MS,
	50 * NS_PER_MS,
	100 * NS_PER_MS,
	250 * NS_PER_MS,
	500 * NS_PER_MS,
	1 * NS_PER_S,
	2500 * NS_PER_MS,
	5 * NS_PER_S,
	10 * NS_PER_S,
};

static void write_escaped(FILE *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			fputs("\\n", to);
			continue;
		}
		if (*text == '\\' || *text == '"')
			fputc('\\', to);
		fputc(*text, to);
	}
}

/* Name and labels; `bound` is that of a histogram's bucket, or NULL. */
static void write_name(FILE *to, const char *name, const char *suffix,
	const struct metric_group *group, const struct metric_subject *subject, const char *bound)
{
	const char *before = "{";

	fprintf(to, "%s%s", name, suffix);
	for (unsigned i = 0; i < METRIC_LABELS_MAX && group->labels[i]; i++) {
		fprintf(to, "%s%s=\"", before, group->labels[i]);
		write_escaped(to, subject->labels[i]);
		fputc('"', to);
		before = ",";
	}
	if (bound)
		fprintf(to, "%sle=\"%s\"", before, bound);
	if (bound || group->labels[0])
		fputc('}', to);
}

static void write_value(FILE *to, double value)
{
	if (isfinite(value))
		fprintf(to, " %.15g\n", value);
	else
		fputs(isnan(value) ? " NaN\n" : value > 0 ? " +Inf\n" : " -Inf\n", to);
}

/* Of one reading of the buckets, so that the last one and the count agree. */
static void write_histogram(FILE *to, const struct metric *metric, const struct metric_group *group,
	const struct metric_subject *subject, const struct histogram *histogram)
{
	uint64_t seen = 0;
	unsigned bucket = 0;
	char text[32];

	for (size_t i = 0; i < sizeof bounds_ns / sizeof *bounds_ns; i++) {
		for (; bucket < HISTOGRAM_BUCKETS && histogram_bucket_limit(bucket) <= bounds_ns[i];
			bucket++)
			seen += counter_get(&histogram->buckets[bucket]);
		snprintf(text, sizeof text, "%g", (double)bounds_ns[i] / NS_PER_S);
		write_name(to, metric->name, "_bucket", group, subject, text);
		write_value(to, (double)seen);
	}
	for (; bucket < HISTOGRAM_BUCKETS; bucket++)
		seen += counter_get(&histogram->buckets[bucket]);
	write_name(to, metric->name, "_bucket", group, subject, "+Inf");
	write_value(to, (double)seen);
	write_name(to, metric->name, "_sum", group, subject, NULL);
	write_value(to, (double)counter_get(&histogram->sum) / NS_PER_S);
	write_name(to, metric->name, "_count", group, subject, NULL);
	write_value(to, (double)seen);
}

static double value_of(const struct metric *metric, const void *field)
{
	double value = metric->value == METRIC_COUNT  ? (double)counter_get(field)
		       : metric->value == METRIC_REAL ? *(const double *)field
						      : *(const bool *)field;

	return metric->divisor > 0 ? value / metric->divisor : value;
}

static void write_sample(FILE *to, const struct metric *metric, const struct metric_group *group,
	const struct metric_subject *subject)
{
	const void *field = (const char *)subject->sample + metric->offset;

	if (metric->value == METRIC_HISTOGRAM) {
		write_histogram(to, metric, group, subject, field);
		return;
	}
	write_name(to, metric->name, "", group, subject, NULL);
	write_value(to, value_of(metric, field));
}

void exposition_write(FILE *to, const struct metric_group *group,
	const struct metric_subject *subjects, unsigned count)
{
	for (unsigned i = 0; i < group->metric_count && count; i++) {
		const struct metric *metric = &group->metrics[i];

		fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
			metric->name, metric->type);
		for (unsigned j = 0; j < count; j++)
			write_sample(to, metric, group, &subjects[j]);
	}
}
