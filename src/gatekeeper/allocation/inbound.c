#include "gatekeeper/allocation/inbound.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Anybody may have this part of the link: a returning guest must be seen to want more. */
#define LEAST_PART 0.01

/* Limits are lifted after so many periods without a shortage: a lull is not the end of contention. */
#define CALM_PERIODS 20u

/* The last period's part in what is used over a few. */
#define NEWEST 0.2

/* The target follows traffic beyond the capacity down to this part of it. */
#define TARGET_PART_MIN 0.5

/* ---- membership ---- */

void inbound_set_link(struct inbound *inbound, double link, double headroom)
{
	inbound->capacity = inbound->target = link * (1 - headroom);
}

void inbound_init(struct inbound *inbound, double link, double headroom, double grain)
{
	*inbound = (struct inbound){.grain = grain, .calm_periods = CALM_PERIODS};
	inbound_set_link(inbound, link, headroom);
	TAILQ_INIT(&inbound->nics);
}

void inbound_destroy(struct inbound *inbound)
{
	free(inbound->claims);
	free(inbound->edges);
}

/* Room for dividing among `count`. */
static int reserve(struct inbound *inbound, unsigned count)
{
	unsigned room = count < 2 * inbound->room ? 2 * inbound->room : count;
	void *claims, *edges;

	if (count <= inbound->room)
		return 0;
	claims = realloc(inbound->claims, room * sizeof *inbound->claims);
	if (!claims)
		return -ENOMEM;
	inbound->claims = claims;
	edges = realloc(inbound->edges, 2 * (size_t)room * sizeof *inbound->edges);
	if (!edges)
		return -ENOMEM;
	inbound->edges = edges;
	inbound->room = room;
	return 0;
}

int inbound_add_nic(
	struct inbound *inbound, struct inbound_nic *nic, const struct inbound_promise *promise)
{
	int result = reserve(inbound, inbound->nic_count + 1);

	if (result < 0)
		return result;
	*nic = (struct inbound_nic){.promise = *promise, .allowed = INFINITY};
	TAILQ_INIT(&nic->pairs);
	TAILQ_INSERT_TAIL(&inbound->nics, nic, link);
	inbound->nic_count++;
	return 0;
}

void inbound_remove_nic(struct inbound *inbound, struct inbound_nic *nic)
{
	TAILQ_REMOVE(&inbound->nics, nic, link);
	inbound->nic_count--;
}

int inbound_add_pair(struct inbound *inbound, struct inbound_nic *nic, struct inbound_pair *pair)
{
	int result = reserve(inbound, nic->pair_count + 1);

	if (result < 0)
		return result;
	*pair = (struct inbound_pair){.allowed = INFINITY};
	appetite_init(&pair->appetite);
	TAILQ_INSERT_TAIL(&nic->pairs, pair, link);
	nic->pair_count++;
	return 0;
}

void inbound_remove_pair(struct inbound_nic *nic, struct inbound_pair *pair)
{
	TAILQ_REMOVE(&nic->pairs, pair, link);
	nic->pair_count--;
}

/* ---- dividing ---- */

static double least(const struct inbound *inbound)
{
	return LEAST_PART * inbound->capacity;
}

static double least_of_pair(const struct inbound *inbound, const struct inbound_nic *nic)
{
	return least(inbound) / fmax(nic->pair_count, 1);
}

/* A vNIC wants what its senders want. */
static void sum_up(struct inbound_nic *nic, double grain)
{
	struct inbound_pair *pair;

	nic->used = nic->want = 0;
	TAILQ_FOREACH (pair, &nic->pairs, link) {
		pair->want = appetite_want(&pair->appetite, pair->used, grain);
		nic->used += pair->used;
		nic->want += pair->want;
	}
}

/*
 * EyeQ's correction (section 4.2.1 there), for what the limits do not govern: senders without an agent,
 * shapers that are not exact. The target cannot rise above the capacity, so what is uneven only from
 * one period to the next must not lower it: it would stay below.
 */
static void correct_target(struct inbound *inbound, double used)
{
	double capacity = inbound->capacity;

	inbound->used += (used - inbound->used) * NEWEST;
	inbound->target *= (3 * capacity - inbound->used) / (2 * capacity);
	inbound->target = fmin(capacity, fmax(TARGET_PART_MIN * capacity, inbound->target));
}

/* Sets the vNICs' shares; true if somebody gets less than they want. */
static bool divide_link(struct inbound *inbound)
{
	struct fair_claim *claim = inbound->claims;
	struct inbound_nic *nic;
	bool is_short = false;

	TAILQ_FOREACH (nic, &inbound->nics, link) {
		is_short |= nic->want > nic->promise.max;
		*claim++ = (struct fair_claim){.floor = nic->promise.min,
			.want = fmin(nic->want, nic->promise.max),
			.weight = nic->promise.weight};
	}
	is_short |= !isinf(fair_share_divide(
		inbound->claims, inbound->nic_count, inbound->target, inbound->edges));
	claim = inbound->claims;
	TAILQ_FOREACH (nic, &inbound->nics, link)
		nic->allowed = claim++->share;
	return is_short;
}

static void divide_nic(struct inbound *inbound, struct inbound_nic *nic)
{
	struct fair_claim *claim = inbound->claims;
	struct inbound_pair *pair;

	TAILQ_FOREACH (pair, &nic->pairs, link)
		*claim++ = (struct fair_claim){.want = pair->want, .weight = 1};
	fair_share_divide(inbound->claims, nic->pair_count, nic->allowed, inbound->edges);
	claim = inbound->claims;
	TAILQ_FOREACH (pair, &nic->pairs, link)
		pair->allowed = appetite_serve(&pair->appetite, pair->want, claim++->share,
			pair->used, least_of_pair(inbound, nic), inbound->grain);
}

static void lift_limits(struct inbound_nic *nic)
{
	struct inbound_pair *pair;

	nic->allowed = INFINITY;
	TAILQ_FOREACH (pair, &nic->pairs, link) {
		pair->allowed = INFINITY;
		appetite_release(&pair->appetite);
	}
}

void inbound_divide(struct inbound *inbound)
{
	struct inbound_nic *nic;
	double used = 0;

	TAILQ_FOREACH (nic, &inbound->nics, link) {
		sum_up(nic, inbound->grain);
		used += nic->used;
	}
	correct_target(inbound, used);
	if (divide_link(inbound))
		inbound->calm_periods = 0;
	else if (inbound->calm_periods < CALM_PERIODS)
		inbound->calm_periods++;
	inbound->is_contended = inbound->calm_periods < CALM_PERIODS;
	TAILQ_FOREACH (nic, &inbound->nics, link) {
		if (inbound->is_contended)
			divide_nic(inbound, nic);
		else
			lift_limits(nic);
	}
}
