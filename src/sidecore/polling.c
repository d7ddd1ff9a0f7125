/*
 * Which pollers are looked at, and for how long.
 *
 * Theory of operation. The window belongs to the core, since what polling costs is the core's time, however many it looks at: it ends when
 * no round has found work for that long. Then all pollers are armed, and rest. A doorbell that rings soon after says that a longer window
 * would have spared it, and doubles the window; one that rings late halves it. Whatever wakes the core, a completion as well as a
 * doorbell, has it look at all that rest again, for who has been answered asks again: so of many that have a moderate amount of work each,
 * which together keep the core awake, none has to ring.
 *
 * What makes rounds long is how many are looked at. So one that has found nothing for as long as many windows is armed by itself and stays away:
 * it is looked at when its own doorbell has rung.
 */
#include "sidecore/sidecore_private.h"

#define WINDOW_NS_FIRST 4000u /* where a window that was 0 starts to grow */
#define IDLE_WINDOWS 16u      /* without work, at their longest, after which a poller stays away */

static struct poller_list *list_of(struct sidecore *sidecore, const struct poller *poller)
{
	if (poller->state == POLLER_RESTING)
		return &sidecore->resting;
	return poller->is_bulk ? &sidecore->bulk : &sidecore->active;
}

/* To the end of that state's list, if it has one. */
static void move(struct sidecore *sidecore, struct poller *poller, enum poller_state state)
{
	if (sidecore->next_poller == poller)
		sidecore->next_poller = TAILQ_NEXT(poller, link);
	if (poller->state >= POLLER_RESTING)
		TAILQ_REMOVE(list_of(sidecore, poller), poller, link);
	poller->state = state;
	if (state >= POLLER_RESTING)
		TAILQ_INSERT_TAIL(list_of(sidecore, poller), poller, link);
}

void sidecore_add_poller(struct sidecore *sidecore, struct poller *poller)
{
	poller->worked_at_ns = sidecore->worked_at_ns = sidecore->round_ns;
	move(sidecore, poller, POLLER_ACTIVE);
}

void sidecore_remove_poller(struct sidecore *sidecore, struct poller *poller)
{
	move(sidecore, poller, POLLER_REMOVED);
}

void sidecore_wake_poller(struct sidecore *sidecore, struct poller *poller)
{
	poller->worked_at_ns = sidecore->round_ns;
	if (poller->state == POLLER_REMOVED || poller->state == POLLER_ACTIVE)
		return;
	move(sidecore, poller, POLLER_ACTIVE);
	poller->disarm(poller);
}

static bool is_idle(const struct sidecore *sidecore, const struct poller *poller)
{
	return sidecore->round_ns - poller->worked_at_ns >=
	       IDLE_WINDOWS * sidecore->config.poll_ns_max;
}

/* There is work, and more may follow: look at all that had some lately. */
void sidecore_stay_awake(struct sidecore *sidecore)
{
	struct poller *next;

	sidecore->worked_at_ns = sidecore->round_ns;
	if (sidecore->window_ns == 0)
		return;
	for (struct poller *poller = TAILQ_FIRST(&sidecore->resting); poller; poller = next) {
		next = TAILQ_NEXT(poller, link);
		if (is_idle(sidecore, poller)) {
			move(sidecore, poller, POLLER_AWAY);
			continue;
		}
		move(sidecore, poller, POLLER_ACTIVE);
		poller->disarm(poller);
	}
}

/* Unless there is work after all. */
static void lay_down(struct sidecore *sidecore, struct poller *poller, enum poller_state state)
{
	if (poller->arm(poller))
		poller->disarm(poller);
	else
		move(sidecore, poller, state);
}

static void rest_all(struct sidecore *sidecore, struct poller_list *list)
{
	struct poller *next;

	for (struct poller *poller = TAILQ_FIRST(list); poller; poller = next) {
		next = TAILQ_NEXT(poller, link);
		lay_down(sidecore, poller, POLLER_RESTING);
	}
}

void sidecore_rest(struct sidecore *sidecore)
{
	if (sidecore->round_ns - sidecore->worked_at_ns < sidecore->window_ns)
		return;
	rest_all(sidecore, &sidecore->active);
	rest_all(sidecore, &sidecore->bulk);
}

static bool run_poller(struct sidecore *sidecore, struct poller *poller)
{
	if (poller->poll(poller, sidecore->round_ns)) {
		poller->worked_at_ns = sidecore->round_ns;
		sidecore_stay_awake(sidecore);
		return true;
	}
	if (poller->state == POLLER_ACTIVE && is_idle(sidecore, poller))
		lay_down(sidecore, poller, POLLER_AWAY);
	return false;
}

/*
 * A doorbell soon after the last work says that a longer window would have spared it; one long after, the reverse. In between the
 * longest would have missed it by little: whoever rings at about that pace is not to have it grow and shrink by turns.
 */
void sidecore_adapt_window(struct sidecore *sidecore)
{
	const uint64_t max_ns = sidecore->config.poll_ns_max;
	const uint64_t quiet_ns = sidecore->round_ns - sidecore->worked_at_ns;
	const uint64_t longer_ns = sidecore->window_ns ? 2 * sidecore->window_ns : WINDOW_NS_FIRST;

	if (sidecore_has_pollers(sidecore))
		return;
	if (quiet_ns > 2 * max_ns)
		sidecore->window_ns /= 2;
	else if (quiet_ns <= max_ns)
		sidecore->window_ns = longer_ns < max_ns ? longer_ns : max_ns;
}

/* Up to the first that works; its turn comes again after all others'. */
static bool run_bulk_pollers(struct sidecore *sidecore)
{
	struct poller *poller = TAILQ_FIRST(&sidecore->bulk);

	for (; poller; poller = sidecore->next_poller) {
		sidecore->next_poller = TAILQ_NEXT(poller, link);
		if (!run_poller(sidecore, poller))
			continue;
		if (poller->state == POLLER_ACTIVE)
			move(sidecore, poller, POLLER_ACTIVE);
		return true;
	}
	return false;
}

bool sidecore_run_pollers(struct sidecore *sidecore)
{
	struct poller *poller = TAILQ_FIRST(&sidecore->active);
	bool found_work = false;

	for (; poller; poller = sidecore->next_poller) {
		sidecore->next_poller = TAILQ_NEXT(poller, link);
		found_work |= run_poller(sidecore, poller);
	}
	return run_bulk_pollers(sidecore) || found_work;
}
