/*
 * When to tell a sender's host a limit (again): when it has changed by more than a little, or when
 * what was told before is about to lose its hold (see rate_limit.h). So steady traffic costs a few
 * datagrams a second, whatever the period. Time is an argument.
 */
#ifndef SLUICE_GATEKEEPER_ANNOUNCEMENT_H
#define SLUICE_GATEKEEPER_ANNOUNCEMENT_H

#include <stdbool.h>
#include <stdint.h>

/* What was told last; zeroes: nothing yet. */
struct announcement {
	double told;
	uint64_t told_ns;
};

/*
 * Whether to tell `allowed`, a limit in bytes per second, now; if true, it counts as told. That there
 * is no limit any more (INFINITY) is told once: should that be lost, the limit fades by itself.
 */
bool announcement_is_due(struct announcement *announcement, double allowed, uint64_t now_ns);

#endif
