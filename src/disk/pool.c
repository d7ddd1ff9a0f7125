#include "disk/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/counter.h"
#include "disk/pool_private.h"

/* ---- prices and promises ---- */

double pool_cost_units(
	const struct pool *pool, enum slo_operation operation, bool is_sequential, uint64_t bytes)
{
	return slo_cost_units(&pool->config.cost, operation, is_sequential, bytes);
}

/* The dearest request that can be guaranteed. */
static double largest_request_units(const struct pool_config *config)
{
	return slo_cost_units_max(&config->cost, config->largest_request_bytes);
}

struct admission_pool pool_admission(const struct pool_config *config)
{
	return (struct admission_pool){
		.capacity_units_per_s = config->capacity_units_per_s,
		.largest_request_units = largest_request_units(config),
		.latency_ns = config->latency_ns,
	};
}

/* ---- dispatching, on the sidecore ---- */

static void limit_expired(struct timer *timer, uint64_t now_ns)
{
	pool_dispatch(container_of(timer, struct pool, timer), now_ns);
}

static void set_limit_timer(struct pool *pool)
{
	uint64_t wake_ns = scheduler_wake_ns(pool->scheduler);

	if (wake_ns == UINT64_MAX) {
		if (pool->timer.position)
			sidecore_cancel_timer(pool->sidecore, &pool->timer);
	} else if (!pool->timer.position || pool->timer.at_ns != wake_ns) {
		sidecore_set_timer(pool->sidecore, &pool->timer, wake_ns);
	}
}

void pool_dispatch(struct pool *pool, uint64_t now_ns)
{
	struct slo_request *next;

	/* A back end may complete within submit; then this loop is already running further up. */
	if (pool->is_dispatching)
		return;
	pool->is_dispatching = true;
	while ((next = scheduler_next(pool->scheduler, now_ns))) {
		struct pool_request *request = container_of(next, struct pool_request, slo);

		request->send(request);
	}
	pool->is_dispatching = false;
	set_limit_timer(pool);
}

void pool_complete(
	struct pool *pool, struct pool_request *request, bool has_failed, uint64_t now_ns)
{
	scheduler_complete(pool->scheduler, &request->slo, now_ns);
	counter_add(&pool->requests, 1);
	counter_add(&pool->bytes, request->slo.bytes);
	counter_add(&pool->errors, has_failed);
}

/* ---- creating and destroying ---- */

static struct scheduler_config scheduler_config_of(const struct pool_config *config)
{
	return (struct scheduler_config){
		.capacity_units_per_s = config->capacity_units_per_s,
		.largest_request_units = largest_request_units(config),
		.device_latency_ns = config->latency_ns,
		.window_units_max = config->in_flight_max,
		.is_enforcing = config->is_enforcing,
	};
}

int pool_create(const struct pool_config *config, struct sidecore *sidecore, struct pool **pool,
	struct error *error)
{
	struct scheduler_config scheduler_config = scheduler_config_of(config);
	struct pool *new_one = calloc(1, sizeof *new_one);
	int result = -ENOMEM;

	if (!new_one)
		goto fail;
	new_one->config = *config;
	new_one->sidecore = sidecore;
	new_one->timer.expire = limit_expired;
	TAILQ_INIT(&new_one->members);
	result = scheduler_create(&scheduler_config, &new_one->scheduler);
	if (result < 0)
		goto fail;
	*pool = new_one;
	return 0;

fail:
	free(new_one);
	return error_set(error, result, "pool '%s': %s", config->name, strerror(-result));
}

static void cancel_timer(void *argument)
{
	struct pool *pool = argument;

	sidecore_cancel_timer(pool->sidecore, &pool->timer);
}

void pool_destroy(struct pool *pool)
{
	sidecore_call(pool->sidecore, cancel_timer, pool);
	scheduler_destroy(pool->scheduler);
	free(pool);
}

/* ---- looking ---- */

const struct pool_config *pool_config(const struct pool *pool)
{
	return &pool->config;
}

struct sidecore *pool_sidecore(const struct pool *pool)
{
	return pool->sidecore;
}

void pool_statistics(const struct pool *pool, struct pool_statistics *statistics)
{
	statistics->requests = counter_get(&pool->requests);
	statistics->bytes = counter_get(&pool->bytes);
	statistics->errors = counter_get(&pool->errors);
	scheduler_state(pool->scheduler, &statistics->scheduler);
}
