/* Pricing one operation in cost units, by a linear model: so much per operation, so much per byte. */
#ifndef SLUICE_SLO_COST_H
#define SLUICE_SLO_COST_H

#include <stdbool.h>
#include <stdint.h>

#include "slo/slo.h"

enum slo_operation {
	SLO_READ,
	SLO_WRITE,
	SLO_FLUSH,
	SLO_DISCARD,	  /* costs a write without its bytes: only metadata moves */
	SLO_WRITE_ZEROES, /* likewise */
	SLO_OPERATIONS
};

/*
 * What an operation costs.
 *
 * @is_sequential: it begins where an earlier one of the same kind ended
 * @bytes: how much it moves; counts for reads and writes only
 */
double slo_cost_units(const struct slo_cost_model *model, enum slo_operation operation,
	bool is_sequential, uint64_t bytes);

/* What the dearest read or write of so many bytes costs. */
double slo_cost_units_max(const struct slo_cost_model *model, uint64_t bytes);

#endif
