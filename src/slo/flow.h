/* A flow's insides, for the scheduler's files. What every request touches comes first. */
#ifndef SLUICE_SLO_FLOW_H
#define SLUICE_SLO_FLOW_H

#include "slo/deadline_queue.h"
#include "slo/fair_queue.h"
#include "slo/limiter.h"
#include "slo/nest.h"
#include "slo/request_queue.h"

struct flow {
	struct scheduler *scheduler;
	struct tier_audit *audits; /* SLO_TIERS_MAX tiers and best effort */
	unsigned outstanding;	   /* submitted and not yet completed */
	bool is_limited;
	struct nest nest;
	uint64_t within_ns[SLO_TIERS_MAX];
	struct request_queue tiers[SLO_TIERS_MAX];
	struct fair_flow best_effort;

	struct limiter limiter;
	struct request_queue held; /* by the limiter, in order of arrival */
	struct slo slo;
} __attribute__((aligned(64)));

#endif
