#include "slo/cost.h"

#include <math.h>

/* 0.8 + 4096 * b = 1 and 0.8 + 65536 * b = 4. */
#define DEFAULT_PRICE                                                    \
	{                                                                \
		.units_per_operation = 0.8, .units_per_byte = 0.2 / 4096 \
	}

const struct slo_cost_model slo_cost_model_default = {
	.read = {DEFAULT_PRICE, DEFAULT_PRICE},
	.write = {DEFAULT_PRICE, DEFAULT_PRICE},
	.flush_units = 1,
};

double slo_cost_units(const struct slo_cost_model *model, enum slo_operation operation,
	bool is_sequential, uint64_t bytes)
{
	const struct slo_price *price;

	if (operation == SLO_FLUSH)
		return model->flush_units;
	price = operation == SLO_READ ? &model->read[is_sequential] : &model->write[is_sequential];
	if (operation == SLO_DISCARD || operation == SLO_WRITE_ZEROES)
		return price->units_per_operation;
	return price->units_per_operation + price->units_per_byte * (double)bytes;
}

double slo_cost_units_max(const struct slo_cost_model *model, uint64_t bytes)
{
	double most = 0;

	for (int is_sequential = 0; is_sequential <= 1; is_sequential++) {
		most = fmax(most, slo_cost_units(model, SLO_READ, is_sequential, bytes));
		most = fmax(most, slo_cost_units(model, SLO_WRITE, is_sequential, bytes));
	}
	return most;
}
