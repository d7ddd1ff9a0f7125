#include "slo/slo.h"

#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/units.h"

/* Far beyond any device, and far from where doubles and 64-bit deadlines lose precision. */
#define UNITS_MAX 1e12
#define WITHIN_NS_MAX (3600 * NS_PER_S)

#define UNIT_BYTES 4096.0 /* what a random read of one unit moves */

static bool is_in_range(double value, double from)
{
	return isfinite(value) && value >= from && value <= UNITS_MAX;
}

/* A tier by itself; `number` counts from 1, as people do. */
static int check_tier(const struct slo_tier *tier, unsigned number, struct error *error)
{
	if (!is_in_range(tier->burst_units, 0) || tier->burst_units == 0)
		return error_set(error, -EINVAL,
			"tier %u: burst must be more than 0 and at most %g units", number,
			UNITS_MAX);
	if (!is_in_range(tier->rate_units_per_s, 0))
		return error_set(error, -EINVAL, "tier %u: rate must be from 0 to %g units/s",
			number, UNITS_MAX);
	if (tier->within_ns == 0 || tier->within_ns > WITHIN_NS_MAX)
		return error_set(error, -EINVAL,
			"tier %u: within must be more than 0 and at most 1h", number);
	return 0;
}

/* A tier against the one inside it. */
static int check_nesting(const struct slo_tier *inner, const struct slo_tier *outer,
	unsigned number, struct error *error)
{
	char text[UNITS_TEXT_BYTES];

	if (outer->burst_units < inner->burst_units)
		return error_set(error, -EINVAL,
			"tier %u: burst %g is below tier %u's; make it at least %g", number,
			outer->burst_units, number - 1, inner->burst_units);
	if (outer->rate_units_per_s < inner->rate_units_per_s)
		return error_set(error, -EINVAL,
			"tier %u: rate %g is below tier %u's; make it at least %g", number,
			outer->rate_units_per_s, number - 1, inner->rate_units_per_s);
	if (outer->within_ns <= inner->within_ns)
		return error_set(error, -EINVAL,
			"tier %u: within must be longer than tier %u's %s; put the tightest tier "
			"first",
			number, number - 1, units_format_duration(text, inner->within_ns));
	return 0;
}

/* A ceiling below what is promised would make the promise worthless. */
static int check_limit(const struct slo *slo, struct error *error)
{
	double rate = slo->tier_count ? slo->tiers[slo->tier_count - 1].rate_units_per_s : 0;
	const struct slo_limit *limit = &slo->limit;

	if (limit->operations_per_s && (double)limit->operations_per_s < rate)
		return error_set(error, -EINVAL,
			"limit: %llu operations/s is below tier %u's rate; allow at least %.0f",
			(unsigned long long)limit->operations_per_s, slo->tier_count, ceil(rate));
	if (limit->bytes_per_s && (double)limit->bytes_per_s < rate * UNIT_BYTES)
		return error_set(error, -EINVAL,
			"limit: %llu bytes/s is below tier %u's rate in 4KiB reads; allow at least "
			"%.0f",
			(unsigned long long)limit->bytes_per_s, slo->tier_count,
			ceil(rate * UNIT_BYTES));
	if (limit->operations_burst && !limit->operations_per_s)
		return error_set(error, -EINVAL, "limit: a burst of operations needs a rate");
	if (limit->bytes_burst && !limit->bytes_per_s)
		return error_set(error, -EINVAL, "limit: a burst of bytes needs a rate");
	return 0;
}

int slo_check(const struct slo *slo, struct error *error)
{
	int result = 0;

	if (slo->tier_count > SLO_TIERS_MAX)
		return error_set(error, -EINVAL, "%u tiers are too many; there can be %u",
			slo->tier_count, SLO_TIERS_MAX);
	if (slo->weight < 1 || slo->weight > SLO_WEIGHT_MAX)
		return error_set(error, -EINVAL, "weight %u must be from 1 to %u", slo->weight,
			SLO_WEIGHT_MAX);
	for (unsigned tier = 0; tier < slo->tier_count && !result; tier++) {
		result = check_tier(&slo->tiers[tier], tier + 1, error);
		if (!result && tier)
			result = check_nesting(
				&slo->tiers[tier - 1], &slo->tiers[tier], tier + 1, error);
	}
	return result ? result : check_limit(slo, error);
}

static bool is_same_tier(const struct slo_tier *a, const struct slo_tier *b)
{
	return a->burst_units == b->burst_units && a->rate_units_per_s == b->rate_units_per_s &&
	       a->within_ns == b->within_ns;
}

static bool is_same_limit(const struct slo_limit *a, const struct slo_limit *b)
{
	return a->operations_per_s == b->operations_per_s &&
	       a->operations_burst == b->operations_burst && a->bytes_per_s == b->bytes_per_s &&
	       a->bytes_burst == b->bytes_burst;
}

bool slo_is_equal(const struct slo *a, const struct slo *b)
{
	if (a->tier_count != b->tier_count || a->weight != b->weight ||
		!is_same_limit(&a->limit, &b->limit))
		return false;
	for (unsigned tier = 0; tier < a->tier_count; tier++)
		if (!is_same_tier(&a->tiers[tier], &b->tiers[tier]))
			return false;
	return true;
}

static bool is_same_price(const struct slo_price *a, const struct slo_price *b)
{
	return a->units_per_operation == b->units_per_operation &&
	       a->units_per_byte == b->units_per_byte;
}

bool slo_cost_model_is_equal(const struct slo_cost_model *a, const struct slo_cost_model *b)
{
	for (unsigned i = 0; i < 2; i++)
		if (!is_same_price(&a->read[i], &b->read[i]) ||
			!is_same_price(&a->write[i], &b->write[i]))
			return false;
	return a->flush_units == b->flush_units;
}
