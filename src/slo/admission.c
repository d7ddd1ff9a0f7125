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
 * (demand_slack_units), which is at least that. A best-effort request larger than the largest
 * guaranteed one blocks for as long as it takes: whoever feeds the scheduler should split those.
 */
#include "slo/admission.h"

#include <errno.h>
#include <math.h>

#include "base/units.h"
#include "slo/demand.h"

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
		required = demand_required_units_per_s(&demand, pool->largest_request_units, at_ns);
	demand_free(&demand);
	return required;
}

double admission_required_units_per_s(
	const struct admission_pool *pool, const struct slo *const *slos, unsigned count)
{
	return required_at(pool, slos, count, NULL);
}

int admission_check(const struct admission_pool *pool, const struct slo *const *slos,
	unsigned count, struct error *error)
{
	uint64_t at_ns = UINT64_MAX;
	double required = required_at(pool, slos, count, &at_ns);
	char within[UNITS_TEXT_BYTES];

	if (isinf(required))
		return error_set(error, -ENOMEM, "no memory to check the promises");
	if (required <= pool->capacity_units_per_s)
		return 0;
	if (pool->capacity_units_per_s <= 0)
		return error_set(error, -ENOSPC,
			"the pool's capacity is not known, so it can promise nothing; set or "
			"measure it");
	if (at_ns == UINT64_MAX)
		return error_set(error, -ENOSPC,
			"the rates promised add up to %.0f units/s and the pool has %.0f; lower an "
			"outermost tier's rate by %.0f units/s in all",
			required, pool->capacity_units_per_s,
			ceil(required - pool->capacity_units_per_s));
	return error_set(error, -ENOSPC,
		"keeping the promises within %s needs %.0f units/s and the pool has %.0f (%.1f%% "
		"too "
		"little); lower bursts or allow more time by %.4g units there",
		units_format_duration(within, at_ns), required, pool->capacity_units_per_s,
		(required / pool->capacity_units_per_s - 1) * 100,
		(required - pool->capacity_units_per_s) * (double)at_ns / 1e9);
}
