#include "gatekeeper/allocation/fair_share.h"

#include <math.h>
#include <stdlib.h>

static double floor_of(const struct fair_claim *claim)
{
	return fmin(claim->floor, claim->want);
}

static int by_level(const void *left, const void *right)
{
	double difference =
		((const struct fair_edge *)left)->level - ((const struct fair_edge *)right)->level;

	return (difference > 0) - (difference < 0);
}

/* Two edges for each claim that can rise, one if it never stops. Returns how many there are. */
static unsigned collect_edges(
	const struct fair_claim *claims, unsigned count, struct fair_edge *edges)
{
	unsigned edge_count = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct fair_claim *claim = &claims[i];

		if (claim->want <= floor_of(claim))
			continue;
		edges[edge_count++] =
			(struct fair_edge){floor_of(claim) / claim->weight, claim->weight};
		if (!isinf(claim->want))
			edges[edge_count++] =
				(struct fair_edge){claim->want / claim->weight, -claim->weight};
	}
	if (edge_count)
		qsort(edges, edge_count, sizeof *edges, by_level);
	return edge_count;
}

/* Raise the level until `left` is used up. */
static double find_level(const struct fair_edge *edges, unsigned edge_count, double left)
{
	double level = 0, slope = 0;
	unsigned rising = 0;

	for (unsigned i = 0; i < edge_count; i++) {
		double needed = slope * (edges[i].level - level);

		if (needed > left)
			return level + left / slope;
		left -= needed;
		level = edges[i].level;
		slope += edges[i].slope;
		rising += edges[i].slope > 0 ? 1 : -1;
	}
	/* Counted, since rounding leaves a trace of slope after the last one has stopped. */
	return rising ? level + left / slope : INFINITY;
}

static double sum_of_floors(const struct fair_claim *claims, unsigned count)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += floor_of(&claims[i]);
	return sum;
}

double fair_share_divide(
	struct fair_claim *claims, unsigned count, double capacity, struct fair_edge *edges)
{
	double floors = sum_of_floors(claims, count), level = 0;

	if (floors > capacity) {
		for (unsigned i = 0; i < count; i++)
			claims[i].share = floor_of(&claims[i]) * capacity / floors;
		return 0;
	}
	level = find_level(edges, collect_edges(claims, count, edges), capacity - floors);
	for (unsigned i = 0; i < count; i++) {
		struct fair_claim *claim = &claims[i];

		claim->share = fmin(claim->want, fmax(floor_of(claim), level * claim->weight));
	}
	return level;
}
