/*
 * The receiving side's control law, closed over a fluid model of the network: senders send what they
 * want and may, a limit is felt two periods after it was worked out, and a link that is offered more
 * than it has loses from everybody alike.
 */
#include "../cmocka_all.h"

#include <math.h>
#include <stdbool.h>

#include "gatekeeper/allocation/inbound.h"

#define LINK 1000.0
#define HEADROOM 0.05
#define GRAIN 100.0 /* 64 KiB of a link of 1 Gbit/s in 5 ms */
#define CAPACITY (LINK * (1 - HEADROOM))
#define SENDERS_MAX 128u
#define NICS_MAX 8u
#define SETTLED 20u /* periods; far more than it takes */

struct sender {
	struct inbound_pair pair;
	double demand;
	double limit;	   /* in force */
	double limit_next; /* on its way */
	double delivered;
	bool is_deaf;  /* knows no limits */
	double wobble; /* sends so much more and less than its limit, in turns */
	bool is_lumpy; /* sends the largest packets only */
	double wait; /* lumpy: periods until it may send the next one, however its limit changes */
};

static struct inbound inbound;
static struct inbound_nic nics[NICS_MAX];
static struct sender senders[SENDERS_MAX];
static unsigned sender_count, nic_count;
static double lost; /* in the last period */
static double noise;
static uint64_t seed = 1;

static double random_between(double low, double high)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return low + (high - low) * (double)(seed >> 40) / (double)(1u << 24);
}

static int set_up(void **state)
{
	inbound_init(&inbound, LINK, HEADROOM, GRAIN);
	sender_count = nic_count = 0;
	noise = 0;
	return 0;
}

static int tear_down(void **state)
{
	inbound_destroy(&inbound);
	return 0;
}

static struct inbound_nic *add_nic(double min, double max, double weight)
{
	struct inbound_promise promise = {.min = min, .max = max, .weight = weight};

	assert_int_equal(inbound_add_nic(&inbound, &nics[nic_count], &promise), 0);
	return &nics[nic_count++];
}

static struct sender *add_sender(struct inbound_nic *nic, double demand)
{
	struct sender *sender = &senders[sender_count++];

	*sender = (struct sender){.demand = demand, .limit = INFINITY, .limit_next = INFINITY};
	assert_int_equal(inbound_add_pair(&inbound, nic, &sender->pair), 0);
	return sender;
}

/* As a token bucket lets large packets pass: each is followed by a pause at the limit of its moment. */
static double send_lumps(struct sender *sender)
{
	double rate = fmin(fmin(sender->demand, LINK), sender->limit), sent = 0;

	while (rate > 0 && sender->wait < 1) {
		sent += GRAIN;
		sender->wait += GRAIN / rate;
	}
	sender->wait = fmax(0, sender->wait - 1);
	return sent;
}

static double send_smoothly(struct sender *sender)
{
	double limit = sender->is_deaf ? INFINITY : sender->limit * (1 + sender->wobble);

	sender->wobble = -sender->wobble;
	return fmin(fmin(sender->demand, LINK), limit);
}

/* One period of traffic; what was lost on the way is in `lost`. */
static void send(void)
{
	double offered = 0;

	for (unsigned i = 0; i < sender_count; i++) {
		struct sender *sender = &senders[i];

		sender->delivered = sender->is_lumpy ? send_lumps(sender) : send_smoothly(sender);
		sender->delivered *= random_between(1 - noise, 1);
		offered += sender->delivered;
	}
	lost = fmax(0, offered - LINK);
	for (unsigned i = 0; i < sender_count && lost > 0; i++)
		senders[i].delivered *= LINK / offered;
}

static void run(unsigned periods)
{
	while (periods-- > 0) {
		send();
		for (unsigned i = 0; i < sender_count; i++)
			senders[i].pair.used = senders[i].delivered;
		inbound_divide(&inbound);
		for (unsigned i = 0; i < sender_count; i++) {
			senders[i].limit = senders[i].limit_next;
			senders[i].limit_next = senders[i].pair.allowed;
		}
	}
}

static double received(const struct inbound_nic *nic)
{
	const struct inbound_pair *pair;
	double sum = 0;

	TAILQ_FOREACH (pair, &nic->pairs, link)
		sum += pair->used;
	return sum;
}

static void assert_about(double is, double should_be, double tolerance)
{
	if (fabs(is - should_be) > tolerance * should_be)
		fail_msg("%g is not about %g", is, should_be);
}

static void without_contention_nobody_is_limited(void **state)
{
	struct sender *sender = add_sender(add_nic(100, INFINITY, 1), 400);

	add_sender(add_nic(0, INFINITY, 1), 300);
	run(SETTLED);
	assert_false(inbound.is_contended);
	assert_true(isinf(sender->limit));
}

static void a_guarantee_holds_against_ninety_nine_senders(void **state)
{
	struct inbound_nic *victim = add_nic(500, INFINITY, 1), *crowd = add_nic(0, INFINITY, 1);

	add_sender(victim, INFINITY);
	for (unsigned i = 0; i < 99; i++)
		add_sender(crowd, INFINITY);
	run(SETTLED);
	assert_about(received(victim), 500, 0.01);
	assert_about(received(crowd), CAPACITY - 500, 0.01);
	assert_true(lost == 0);
}

static void weights_divide_what_is_not_guaranteed(void **state)
{
	struct inbound_nic *one = add_nic(0, INFINITY, 1), *two = add_nic(0, INFINITY, 2),
			   *four = add_nic(0, INFINITY, 4);

	add_sender(one, INFINITY);
	add_sender(two, INFINITY);
	add_sender(four, INFINITY);
	run(SETTLED);
	assert_about(received(one), CAPACITY / 7, 0.01);
	assert_about(received(two), CAPACITY * 2 / 7, 0.01);
	assert_about(received(four), CAPACITY * 4 / 7, 0.01);
}

static void a_maximum_is_kept_on_an_idle_link(void **state)
{
	struct inbound_nic *nic = add_nic(0, 200, 1);

	add_sender(nic, INFINITY);
	add_sender(nic, INFINITY);
	run(SETTLED);
	assert_about(received(nic), 200, 0.01);
}

static void senders_share_what_their_vnic_has(void **state)
{
	struct inbound_nic *nic = add_nic(0, INFINITY, 1);
	struct sender *modest = add_sender(nic, 50);
	struct sender *first = add_sender(nic, INFINITY), *second = add_sender(nic, INFINITY);

	run(3 * SETTLED);
	assert_about(modest->delivered, 50, 0.01);
	assert_about(first->delivered, (CAPACITY - 50) / 2, 0.01);
	assert_about(second->delivered, first->delivered, 0.01);
}

static void what_a_guaranteed_vnic_leaves_is_used(void **state)
{
	struct inbound_nic *victim = add_nic(500, INFINITY, 1), *other = add_nic(0, INFINITY, 1);
	struct sender *flow = add_sender(victim, INFINITY);

	add_sender(other, INFINITY);
	run(SETTLED);
	flow->demand = 0;
	run(3 * SETTLED);
	assert_true(received(other) >= 0.95 * CAPACITY);
	flow->demand = 300;
	run(3 * SETTLED);
	assert_true(received(victim) + received(other) >= 0.95 * CAPACITY);
	assert_about(received(victim), 300, 0.01);
}

static void a_returning_vnic_has_its_minimum_within_a_few_periods(void **state)
{
	struct inbound_nic *victim = add_nic(500, INFINITY, 1), *other = add_nic(0, INFINITY, 1);
	struct sender *flow = add_sender(victim, 0);

	add_sender(other, INFINITY);
	add_sender(other, INFINITY);
	run(3 * SETTLED);
	flow->demand = INFINITY;
	run(5);
	assert_about(received(victim), 500, 0.01);
}

static void demand_that_grows_is_hardly_held_back(void **state)
{
	struct inbound_nic *growing = add_nic(0, INFINITY, 1), *other = add_nic(0, INFINITY, 1);
	struct sender *flow = add_sender(growing, 5);
	double missed = 0, wanted = 0;

	add_sender(other, INFINITY);
	run(SETTLED);
	for (unsigned i = 0; i < 100; i++) {
		run(1);
		missed += flow->demand - flow->delivered;
		wanted += flow->demand;
		flow->demand *= 1.04;
	}
	assert_true(missed < 0.05 * wanted);
}

static void who_knows_no_limits_costs_the_others_but_no_loss(void **state)
{
	struct inbound_nic *nic = add_nic(0, INFINITY, 1), *other = add_nic(0, INFINITY, 1);

	add_sender(nic, 600)->is_deaf = true;
	add_sender(other, INFINITY);
	run(5 * SETTLED);
	assert_true(lost == 0);
	assert_true(received(other) >= 0.9 * (CAPACITY - 600));
}

static void noise_neither_starves_nor_overloads(void **state)
{
	struct inbound_nic *victim = add_nic(500, INFINITY, 1), *other = add_nic(0, INFINITY, 1);
	double victims = 0, all = 0, all_lost = 0;

	noise = 0.15;
	add_sender(victim, INFINITY);
	add_sender(other, INFINITY);
	add_sender(other, 100);
	run(SETTLED);
	for (unsigned i = 0; i < 1000; i++) {
		run(1);
		victims += received(victim);
		all += received(victim) + received(other);
		all_lost += lost;
	}
	assert_true(all_lost < 0.001 * all);
	assert_true(victims / 1000 >= 0.9 * 500);
	assert_true(all / 1000 >= 0.85 * CAPACITY);
}

static double average(const struct sender *sender, unsigned periods)
{
	double sum = 0;

	for (unsigned i = 0; i < periods; i++) {
		run(1);
		sum += sender->delivered;
	}
	return sum / periods;
}

static void what_is_uneven_only_between_periods_costs_no_bandwidth(void **state)
{
	struct inbound_nic *nic = add_nic(0, INFINITY, 1);
	struct sender *sender = add_sender(nic, INFINITY);

	sender->wobble = 0.05;
	run(SETTLED);
	assert_true(average(sender, 100) >= 0.995 * CAPACITY);
}

static void large_packets_and_pauses_cost_nobody_their_share(void **state)
{
	struct inbound_nic *victim = add_nic(500, INFINITY, 1), *other = add_nic(0, INFINITY, 1);
	struct sender *paused = add_sender(other, INFINITY);
	double share = (CAPACITY - 500) / 3;

	add_sender(victim, INFINITY);
	paused->is_lumpy = true;
	add_sender(other, INFINITY)->is_lumpy = true;
	add_sender(other, INFINITY)->is_lumpy = true;
	run(SETTLED);
	assert_about(average(paused, 60), share, 0.1);
	for (unsigned i = 0; i < 10; i++) {
		paused->demand = 0;
		run(30);
		paused->demand = INFINITY;
		run(SETTLED);
		assert_about(average(paused, 60), share, 0.1);
	}
}

static void limits_are_lifted_when_contention_is_over(void **state)
{
	struct inbound_nic *nic = add_nic(0, INFINITY, 1);
	struct sender *first = add_sender(nic, INFINITY), *second = add_sender(nic, 100);

	run(SETTLED);
	assert_true(first->limit < LINK);
	first->demand = 200;
	run(5 * SETTLED);
	assert_true(isinf(first->limit));
	assert_true(isinf(second->limit));
}

static void a_slower_link_cuts_guarantees_alike(void **state)
{
	struct inbound_nic *one = add_nic(800, INFINITY, 1), *two = add_nic(400, INFINITY, 1);

	add_sender(one, INFINITY);
	add_sender(two, INFINITY);
	run(SETTLED);
	assert_about(received(one), CAPACITY * 2 / 3, 0.02);
	assert_about(received(two), CAPACITY / 3, 0.02);
}

#define INBOUND_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		INBOUND_TEST(without_contention_nobody_is_limited),
		INBOUND_TEST(a_guarantee_holds_against_ninety_nine_senders),
		INBOUND_TEST(weights_divide_what_is_not_guaranteed),
		INBOUND_TEST(a_maximum_is_kept_on_an_idle_link),
		INBOUND_TEST(senders_share_what_their_vnic_has),
		INBOUND_TEST(what_a_guaranteed_vnic_leaves_is_used),
		INBOUND_TEST(a_returning_vnic_has_its_minimum_within_a_few_periods),
		INBOUND_TEST(demand_that_grows_is_hardly_held_back),
		INBOUND_TEST(who_knows_no_limits_costs_the_others_but_no_loss),
		INBOUND_TEST(noise_neither_starves_nor_overloads),
		INBOUND_TEST(what_is_uneven_only_between_periods_costs_no_bandwidth),
		INBOUND_TEST(large_packets_and_pauses_cost_nobody_their_share),
		INBOUND_TEST(limits_are_lifted_when_contention_is_over),
		INBOUND_TEST(a_slower_link_cuts_guarantees_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
