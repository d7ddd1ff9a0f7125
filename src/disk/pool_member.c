#include "disk/pool_member.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "disk/pool_private.h"

/* ---- admission ---- */

/* The SLOs of all members but one; the caller frees the array. */
static const struct slo **collect_slos(
	const struct pool *pool, const struct pool_member *but, unsigned *count)
{
	const struct slo **slos = calloc(pool->member_count + 1, sizeof *slos);
	struct pool_member *member;

	*count = 0;
	if (!slos)
		return NULL;
	TAILQ_FOREACH (member, &pool->members, link)
		if (member != but)
			slos[(*count)++] = member->slo;
	return slos;
}

/* Would the pool keep its promises with one SLO added or, if `replaced` is not NULL, put in place of that member's? */
static int admit(const struct pool *pool, const struct slo *slo, const struct pool_member *replaced,
	struct error *error)
{
	struct admission_pool admission = pool_admission(&pool->config);
	const struct slo **slos;
	unsigned count;
	int result;

	if (slo->tier_count == 0)
		return 0;
	if (pool->config.capacity_units_per_s <= 0)
		return error_set(error, -ENOSPC,
			"pool '%s' has no 'capacity', so nothing can be guaranteed on it; give it "
			"one "
			"(in cost units per second)",
			pool->config.name);
	slos = collect_slos(pool, replaced, &count);
	if (!slos)
		return error_set(error, -ENOMEM, "no memory for admission");
	slos[count++] = slo;
	result = admission_check(&admission, slos, count, error);
	free(slos);
	if (result < 0)
		return error_prefix(error, result, "pool '%s': ", pool->config.name);
	return 0;
}

double pool_reserved_units_per_s(const struct pool *pool)
{
	struct admission_pool admission = pool_admission(&pool->config);
	const struct slo **slos;
	double required = 0;
	unsigned count;

	slos = collect_slos(pool, NULL, &count);
	if (slos)
		required = admission_required_units_per_s(&admission, slos, count);
	free(slos);
	return required;
}

/* ---- coming and going ---- */

struct flow_creation {
	struct pool_member *member;
	int result;
};

static void create_flow(void *argument)
{
	struct flow_creation *creation = argument;
	struct pool_member *member = creation->member;

	creation->result =
		flow_create(member->pool->scheduler, member->slo, clock_now_ns(), &member->flow);
}

static void destroy_flow(void *argument)
{
	struct pool_member *member = argument;

	flow_destroy(member->flow);
}

int pool_join(struct pool *pool, struct pool_member *member, struct slo *slo, struct error *error)
{
	struct flow_creation creation = {.member = member};
	int result = admit(pool, slo, NULL, error);

	if (result < 0)
		return result;
	member->pool = pool;
	member->slo = slo;
	sidecore_call(pool->sidecore, create_flow, &creation);
	if (creation.result < 0)
		return error_set(
			error, creation.result, "no memory for its place in the scheduler");
	TAILQ_INSERT_TAIL(&pool->members, member, link);
	pool->member_count++;
	return 0;
}

void pool_leave(struct pool_member *member)
{
	struct pool *pool = member->pool;

	sidecore_call(pool->sidecore, destroy_flow, member);
	TAILQ_REMOVE(&pool->members, member, link);
	pool->member_count--;
}

/* ---- changing ---- */

struct slo_change {
	struct pool_member *member;
	const struct slo *slo;
};

static void set_slo(void *argument)
{
	struct slo_change *change = argument;
	uint64_t now_ns = clock_now_ns();

	flow_set_slo(change->member->flow, change->slo, now_ns);
	/* A limit that was lifted lets go of what it held. */
	pool_dispatch(change->member->pool, now_ns);
}

int pool_member_set_slo(struct pool_member *member, const struct slo *slo, struct error *error)
{
	struct slo_change change = {.member = member, .slo = slo};
	int result = slo_check(slo, error);

	if (result == 0)
		result = admit(member->pool, slo, member, error);
	if (result < 0)
		return result;
	sidecore_call(member->pool->sidecore, set_slo, &change);
	*member->slo = *slo;
	return 0;
}
