/*
 * Theory of operation.
 *
 * What one flow can ask. Let a flow have tiers 1..n, (burst s_j, rate r_j, response time d_j), and
 * take any interval of length t. A request counts if it both arrives and is due in it, so one of tier
 * j counts if it arrives in the first t - d_j =: e_j of the interval. Tiers 1..m have d_j <= t, and
 * e_1 > e_2 > ... > e_m >= 0.
 *
 *   In the first e_m only tiers 1..m count; from e_{k+1} to e_k only tiers 1..k. All of those pay
 *   in bucket k, so what counts between e_{k+1} and e_k is at most
 *     level_k(e_{k+1}) + r_k (e_k - e_{k+1}) - level_k(e_k),
 *   and before e_m at most level_m(0) + r_m e_m - level_m(e_m). Summed up, each level_k(e_{k+1})
 *   meets a -level_{k+1}(e_{k+1}), and levels rise outwards at any time (nest.h), so that
 *
 *     demand(t) <= s_m + r_m e_m + sum_{k<m} r_k (e_k - e_{k+1})
 *                = sum_{j<=m} (s_j - s_{j-1}) + (r_j - r_{j-1}) (t - d_j),   s_0 = r_0 = 0.
 *
 * It holds for requests of any cost, and small requests reach it: all bursts at once at the start,
 * then rate r_m until e_m, r_{m-1} until e_{m-1}, and so on.
 *
 * What the device must do. Let a guaranteed request with deadline d finish late, and a be the last
 * time before d at which none with a deadline up to d was waiting. From a to d the device is busy,
 * first with what was in flight at a: at most B, the largest request or, if that is more, the window;
 * then only with requests that arrived after a and are due by d. So B + sum of demand(d - a) >
 * C (d - a), and all deadlines are met if B + sum demand(t) <= C t for every t. Demand jumps at the
 * response times and rises between them by at most the sum of the outermost rates, so it is enough
 * to look at those times and to have C >= that sum. Conversely a request of cost B that arrives just
 * before the pattern above makes a request late if B + sum demand(t) > C t: the test is tight.
 *
 * The device is taken to serve what is in flight in the order it was given, at C units/s or faster.
 * B is the largest request here; the scheduler's window never exceeds what the promises leave
 * (demand_slack_units), which is at least that.
 *
 * What latency costs. Let the device answer each request up to L after it has served it. What waits
 * for its answer fills the window; one of less than L C + 2 A, A being the largest request, would
 * keep the device from its capacity. With W of at least that: whenever something waits that the
 * window holds back, more than W - A is in flight. If the device has then nothing left to serve, it
 * has finished all of that within the last L, and so served W - 2 A >= L C or more in that time. So
 * from a to any x before d it serves C (x - a) - W or more of what arrived after a and is due by d:
 * if it was never idle, all but the W in flight at a; if it was, at most L C is missing before a + L,
 * and no more later. All is served by a + (W + sum demand) / C and answered L after that: in time if
 * W + sum demand(t) <= C (t - L), for which 2 A + sum demand(t) <= C (t - 2 L) makes room. A window
 * of L C + 2 A that fills at an idle device just before the pattern shows that this is tight too.
 *
 * A best-effort request larger than the largest
 * guaranteed one blocks for as long as it takes: whoever feeds the scheduler should split those.
 */
#include "slo/admission.h"

#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/units.h"
#include "slo/demand.h"

double admission_busy_units(const struct admission_pool *pool)
{
	if (!pool->latency_ns)
		return 0;
	return pool->capacity_units_per_s * (double)pool->latency_ns / NS_PER_S +
	       pool->largest_request_units;
}

/* What may be ahead of a request, but for what must be in flight because of the latency alone. */
static double blocking_units(const struct admission_pool *pool)
{
	return pool->largest_request_units * (pool->latency_ns ? 2 : 1);
}

static int gather(const struct slo *const *slos, unsigned count, struct demand *demand)
{
	int result = demand_reserve(demand, count * SLO_TIERS_MAX);

	if (result)
		return result;
	for (unsigned index = 0; index < count; index++)
		demand_append(demand, slos[index]);
	demand_sort(demand);
	return 0;
}

/* Returns INFINITY if there is no memory to find out. */
static double required_at(const struct admission_pool *pool, const struct slo *const *slos,
	unsigned count, uint64_t *at_ns)
{
	struct demand demand = {0};
	double required = INFINITY;

	if (!gather(slos, count, &demand))
		required = demand_required_units_per_s(
			&demand, blocking_units(pool), 2 * pool->latency_ns, at_ns);
	demand_free(&demand);
	return required;
}

double admission_required_units_per_s(
	const struct admission_pool *pool, const struct slo *const *slos, unsigned count)
{
	return required_at(pool, slos, count, NULL);
}

int admission_check_latency(
	const struct admission_pool *pool, const struct slo *slo, struct error *error)
{
	const struct slo_tier *tier = &slo->tiers[0];
	char within[UNITS_TEXT_BYTES], latency[UNITS_TEXT_BYTES];
	double fits_us;

	if (!slo->tier_count || tier->within_ns > 2 * pool->latency_ns)
		return 0;
	fits_us = 2 * (double)pool->latency_ns / NS_PER_US +
		  (tier->burst_units + blocking_units(pool)) * 1e6 / pool->capacity_units_per_s;
	return error_set(error, -ENOSPC,
		"tier 1: within %s is too short for a device with a latency of %s, which counts "
		"twice; allow %.0fus or more",
		units_format_duration(within, tier->within_ns),
		units_format_duration(latency, pool->latency_ns), ceil(fits_us));
}

/* The promises need more than there is. At UINT64_MAX it is the rates that do. */
static int refuse(
	const struct admission_pool *pool, double required, uint64_t at_ns, struct error *error)
{
	double lacking = required - pool->capacity_units_per_s;
	char within[UNITS_TEXT_BYTES];

	if (at_ns == UINT64_MAX)
		return error_set(error, -ENOSPC,
			"the rates promised add up to %.0f units/s and the pool has %.0f; lower an "
			"outermost tier's rate by %.0f units/s in all",
			required, pool->capacity_units_per_s, ceil(lacking));
	return error_set(error, -ENOSPC,
		"keeping the promises within %s needs %.0f units/s and the pool has %.0f (%.1f%% "
		"too little); lower bursts or allow more time by %.4g units there",
		units_format_duration(within, at_ns), required, pool->capacity_units_per_s,
		lacking / pool->capacity_units_per_s * 100,
		lacking * (double)(at_ns - 2 * pool->latency_ns) / NS_PER_S);
}

int admission_check(const struct admission_pool *pool, const struct slo *const *slos,
	unsigned count, struct error *error)
{
	uint64_t at_ns = UINT64_MAX;
	double required = required_at(pool, slos, count, &at_ns);
	int result = 0;

	if (required <= pool->capacity_units_per_s)
		return 0;
	if (pool->capacity_units_per_s <= 0)
		return error_set(error, -ENOSPC,
			"the pool's capacity is not known, so it can promise nothing; set or "
			"measure it");
	for (unsigned index = 0; index < count && !result; index++)
		result = admission_check_latency(pool, slos[index], error);
	if (result < 0)
		return result;
	if (isinf(required))
		return error_set(error, -ENOMEM, "no memory to check the promises");
	return refuse(pool, required, at_ns, error);
}
