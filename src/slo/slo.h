/*
 * What a disk is promised, and what may hold it back: plain data, shared by the configuration, the
 * control protocol, admission and the scheduler.
 *
 * After Wang and Varman, "Nested QoS: Providing Flexible Performance in Shared IO Environment"
 * (WIOV'11): an SLO is a nest of classes (tiers), each an envelope (burst, rate) with a response
 * time. Work is counted in cost units: one unit is a random read of 4 KiB.
 */
#ifndef SLUICE_SLO_SLO_H
#define SLUICE_SLO_SLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SLO_TIERS_MAX 8u
#define SLO_BEST_EFFORT SLO_TIERS_MAX /* the "tier" of a request outside every envelope */
#define SLO_WEIGHT_DEFAULT 100u
#define SLO_WEIGHT_MAX 10000u

/* Requests that fit the envelope burst + rate * t are answered within `within_ns`. */
struct slo_tier {
	double burst_units;
	double rate_units_per_s; /* 0: the burst, once */
	uint64_t within_ns;
};

/* A ceiling, as libvirt's iotune has it; 0 means no limit. Bursts default to a tenth of a second's worth. */
struct slo_limit {
	uint64_t operations_per_s;
	uint64_t operations_burst;
	uint64_t bytes_per_s;
	uint64_t bytes_burst;
};

struct slo {
	unsigned tier_count;		      /* 0: best effort only */
	struct slo_tier tiers[SLO_TIERS_MAX]; /* innermost (tightest) first */
	uint32_t weight; /* share of what is left for best effort, 1 to SLO_WEIGHT_MAX */
	struct slo_limit limit;
};

/* What one operation costs: per operation plus per byte. */
struct slo_price {
	double units_per_operation;
	double units_per_byte;
};

/* A device's prices: [0] random, [1] sequential. */
struct slo_cost_model {
	struct slo_price read[2];
	struct slo_price write[2];
	double flush_units;
};

/* 4 KiB random read = 1 unit; a byte costs as much as in a 64 KiB read of 4 units; writes as reads. */
extern const struct slo_cost_model slo_cost_model_default;

/*
 * Check an SLO by itself: burst and rate never fall and the response time rises from the innermost
 * tier outwards, numbers are finite and positive (a rate may be 0), the weight is in range, a limit
 * is not below the outermost tier's rate (in operations of one unit, in bytes at 4 KiB each).
 *
 * Returns 0, or -EINVAL with the tier and the mend named in `error`.
 */
int slo_check(const struct slo *slo, struct error *error);

/* Whether two promise and limit the same. */
bool slo_is_equal(const struct slo *a, const struct slo *b);

bool slo_cost_model_is_equal(const struct slo_cost_model *a, const struct slo_cost_model *b);

#endif
