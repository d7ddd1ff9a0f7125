/* What the control protocol says about the SLO of a pool's member, and how it was kept. */
#ifndef SLUICE_CONTROL_DESCRIBE_DESCRIBE_SLO_H
#define SLUICE_CONTROL_DESCRIBE_DESCRIBE_SLO_H

#include <jansson.h>

#include "control/host/host.h"

/* A disk or a gate. */
struct described_member {
	const struct pool *pool;
	const struct slo *slo;
	const struct tier_audit *audits[SLO_TIERS_MAX + 1]; /* of each tier, then of best effort */
};

/* Adds weight, limit and tiers. */
void describe_slo(
	json_t *description, const struct host *host, const struct described_member *member);

/* Guaranteed requests, and those of them that were late. */
void describe_promises(
	const struct described_member *member, json_int_t *requests, json_int_t *missed);

#endif
