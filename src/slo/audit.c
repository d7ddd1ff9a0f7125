#include "slo/audit.h"

#include <stdlib.h>

#include "base/counter.h"

struct tier_audit *audit_create(unsigned count)
{
	return calloc(count, sizeof(struct tier_audit));
}

void audit_destroy(struct tier_audit *audits)
{
	free(audits);
}

void audit_record(struct tier_audit *audit, const struct slo_request *request, uint64_t now_ns)
{
	counter_add(&audit->requests, 1);
	counter_add(&audit->bytes, request->bytes);
	counter_add(&audit->cost_milliunits, request->cost_milliunits);
	if (request->tier != SLO_BEST_EFFORT)
		counter_add(now_ns <= request->deadline_ns ? &audit->met : &audit->missed, 1);
	histogram_record(&audit->latency_ns,
		now_ns > request->arrival_ns ? now_ns - request->arrival_ns : 0);
}
