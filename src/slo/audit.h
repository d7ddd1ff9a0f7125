/* Keeping account of what became of requests. */
#ifndef SLUICE_SLO_AUDIT_H
#define SLUICE_SLO_AUDIT_H

#include "slo/scheduler.h"

/*
 * Audits of `count` tiers, zeroed; NULL if there is no memory. From the heap rather than in pages of
 * their own: what starts at the start of a page competes for the same few sets of the cache. Tiers
 * that are never used still cost address space rather than memory.
 */
struct tier_audit *audit_create(unsigned count);
void audit_destroy(struct tier_audit *audits);

/* A request of this tier has been completed. */
void audit_record(struct tier_audit *audit, const struct slo_request *request, uint64_t now_ns);

#endif
