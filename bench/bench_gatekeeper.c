/*
 * Gatekeeper's receiving side at scale, by simulation with the daemon's own code: hosts of 20 vNICs,
 * each with five senders on other hosts that switch on and off at random, over a fluid network.
 *
 * It prints, for 10 to 1,000 hosts: what a division costs per host, how many datagrams a host sends
 * per second and what part of its link they take, how far shares are from the ideal while demands
 * change, in how many periods they arrive there once demands stop changing, and how much memory a
 * host's agent needs for deciding. Time in the network is simulated.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gatekeeper/allocation/announcement.h"
#include "gatekeeper/allocation/inbound.h"
#include "gatekeeper/datagram/envelope.h"
#include "gatekeeper/datagram/rate_message.h"

#define NICS_PER_HOST 20u
#define SENDERS_PER_NIC 5u
#define PAIRS_PER_HOST (NICS_PER_HOST * SENDERS_PER_NIC)
#define LINK 125e6 /* bytes per second */
#define HEADROOM 0.03
#define PERIOD_NS 5000000ull
#define GRAIN (65536. * NS_PER_S / PERIOD_NS)
#define ON_PERIODS 400. /* two seconds, on average */
#define OFF_PERIODS 600.
#define PERIODS 800u /* of changing demands */
#define SETTLING_PERIODS_MAX 200u
#define CLOSE 0.05
#define OUTER_HEADERS 42u /* Ethernet, IPv4, UDP */

struct sim_pair {
	struct inbound_pair pair;
	unsigned source_host;
	double demand;
	double limit, limit_next;
	struct announcement announcement;
	unsigned switches_in; /* periods */
};

struct sim_host {
	struct inbound inbound;
	struct inbound_nic nics[NICS_PER_HOST];
	struct sim_pair pairs[PAIRS_PER_HOST];
};

struct simulation {
	struct sim_host *hosts;
	unsigned host_count;
	uint64_t seed;
	uint64_t divide_ns;
	uint64_t datagrams;
	uint64_t entries;
	uint64_t now_ns;
};

static double random_unit(struct simulation *simulation)
{
	simulation->seed = simulation->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (double)(simulation->seed >> 40) / (double)(1u << 24);
}

static unsigned random_periods(struct simulation *simulation, double mean)
{
	return 1 + (unsigned)(-mean * log(1 - random_unit(simulation)));
}

/* ---- setting up ---- */

static int start_host(struct simulation *simulation, struct sim_host *host)
{
	inbound_init(&host->inbound, LINK, HEADROOM, GRAIN);
	for (unsigned i = 0; i < NICS_PER_HOST; i++) {
		struct inbound_promise promise = {
			.min = i % 4 ? 0 : LINK / 10, .max = INFINITY, .weight = 1 + i % 3};

		if (inbound_add_nic(&host->inbound, &host->nics[i], &promise) < 0)
			return -1;
	}
	for (unsigned i = 0; i < PAIRS_PER_HOST; i++) {
		struct sim_pair *pair = &host->pairs[i];

		if (inbound_add_pair(
			    &host->inbound, &host->nics[i / SENDERS_PER_NIC], &pair->pair) < 0)
			return -1;
		pair->source_host = (unsigned)(random_unit(simulation) * simulation->host_count);
		pair->limit = pair->limit_next = INFINITY;
		pair->switches_in = random_periods(simulation, OFF_PERIODS);
	}
	return 0;
}

static int start(struct simulation *simulation, unsigned host_count)
{
	*simulation = (struct simulation){
		.hosts = calloc(host_count, sizeof(struct sim_host)),
		.host_count = host_count,
		.seed = 1,
	};
	if (!simulation->hosts)
		return -1;
	for (unsigned i = 0; i < host_count; i++)
		if (start_host(simulation, &simulation->hosts[i]) < 0)
			return -1;
	return 0;
}

static void end(struct simulation *simulation)
{
	for (unsigned i = 0; i < simulation->host_count; i++)
		inbound_destroy(&simulation->hosts[i].inbound);
	free(simulation->hosts);
}

/* ---- one period ---- */

/* On: a tenth want all they can get, the others a few percent of the link. */
static void change_demand(struct simulation *simulation, struct sim_pair *pair)
{
	if (--pair->switches_in)
		return;
	if (pair->demand > 0)
		pair->demand = 0;
	else
		pair->demand = random_unit(simulation) < 0.1
				       ? LINK
				       : LINK * 0.05 * random_unit(simulation);
	pair->switches_in = random_periods(simulation, pair->demand > 0 ? ON_PERIODS : OFF_PERIODS);
}

static void send_traffic(struct sim_host *host)
{
	double offered = 0;

	for (unsigned i = 0; i < PAIRS_PER_HOST; i++) {
		struct sim_pair *pair = &host->pairs[i];

		pair->pair.used = fmin(pair->demand, pair->limit);
		offered += pair->pair.used;
	}
	for (unsigned i = 0; i < PAIRS_PER_HOST && offered > LINK; i++)
		host->pairs[i].pair.used *= LINK / offered;
}

/* To each host, as many datagrams as what its senders must be told fills. */
static void count_datagrams(struct simulation *simulation, struct sim_host *host)
{
	static unsigned entries[1024];

	for (unsigned i = 0; i < PAIRS_PER_HOST; i++) {
		struct sim_pair *pair = &host->pairs[i];

		if (!announcement_is_due(&pair->announcement, pair->pair.allowed, pair->pair.used,
			    simulation->now_ns))
			continue;
		simulation->entries++;
		if (entries[pair->source_host]++ % RATE_MESSAGE_ENTRIES_MAX == 0)
			simulation->datagrams++;
	}
	for (unsigned i = 0; i < PAIRS_PER_HOST; i++)
		entries[host->pairs[i].source_host] = 0;
}

static void divide(struct simulation *simulation, struct sim_host *host)
{
	uint64_t start_ns = clock_now_ns();

	inbound_divide(&host->inbound);
	simulation->divide_ns += clock_now_ns() - start_ns;
	count_datagrams(simulation, host);
	for (unsigned i = 0; i < PAIRS_PER_HOST; i++) {
		struct sim_pair *pair = &host->pairs[i];

		pair->limit = pair->limit_next;
		pair->limit_next = announcement_told(&pair->announcement);
		appetite_correct(&pair->pair.appetite, pair->limit_next);
	}
}

/* ---- the ideal ---- */

/* What every pair would get if demands were known; into `ideal`. */
static void divide_ideally(const struct sim_host *host, double *ideal)
{
	struct fair_claim nics[NICS_PER_HOST], pairs[SENDERS_PER_NIC];
	struct fair_edge edges[2 * NICS_PER_HOST];

	for (unsigned i = 0; i < NICS_PER_HOST; i++) {
		nics[i] = (struct fair_claim){
			.floor = host->nics[i].promise.min, .weight = host->nics[i].promise.weight};
		for (unsigned j = 0; j < SENDERS_PER_NIC; j++)
			nics[i].want += host->pairs[i * SENDERS_PER_NIC + j].demand;
	}
	fair_share_divide(nics, NICS_PER_HOST, host->inbound.capacity, edges);
	for (unsigned i = 0; i < NICS_PER_HOST; i++) {
		for (unsigned j = 0; j < SENDERS_PER_NIC; j++)
			pairs[j] = (struct fair_claim){
				.want = host->pairs[i * SENDERS_PER_NIC + j].demand, .weight = 1};
		fair_share_divide(pairs, SENDERS_PER_NIC, nics[i].share, edges);
		for (unsigned j = 0; j < SENDERS_PER_NIC; j++)
			ideal[i * SENDERS_PER_NIC + j] = pairs[j].share;
	}
}

/* Bytes per second by which pairs fall short of the ideal, as a part of the link. */
static double shortfall(const struct sim_host *host)
{
	double ideal[PAIRS_PER_HOST], missing = 0;

	divide_ideally(host, ideal);
	for (unsigned i = 0; i < PAIRS_PER_HOST; i++)
		missing += fmax(0, ideal[i] - host->pairs[i].pair.used);
	return missing / LINK;
}

/* ---- the measurement ---- */

static double run_changing(struct simulation *simulation)
{
	double missing = 0;

	for (unsigned period = 0; period < PERIODS; period++, simulation->now_ns += PERIOD_NS)
		for (unsigned i = 0; i < simulation->host_count; i++) {
			struct sim_host *host = &simulation->hosts[i];

			for (unsigned j = 0; j < PAIRS_PER_HOST; j++)
				change_demand(simulation, &host->pairs[j]);
			send_traffic(host);
			missing += shortfall(host);
			divide(simulation, host);
		}
	return missing / PERIODS / simulation->host_count;
}

/* Periods until a host is within CLOSE of the ideal for good, at demands that stay. */
static unsigned settle(struct simulation *simulation, struct sim_host *host)
{
	unsigned settled = 0;

	for (unsigned period = 1; period <= SETTLING_PERIODS_MAX; period++) {
		simulation->now_ns += PERIOD_NS;
		send_traffic(host);
		divide(simulation, host);
		if (shortfall(host) > CLOSE)
			settled = period;
	}
	return settled;
}

static unsigned worst_settling(struct simulation *simulation)
{
	unsigned worst = 0;

	for (unsigned i = 0; i < simulation->host_count; i++) {
		unsigned settled = settle(simulation, &simulation->hosts[i]);

		worst = settled > worst ? settled : worst;
	}
	return worst;
}

/* What a host's datagrams take of its link, with the headers around them. */
static double part_of_link(const struct simulation *simulation, double seconds)
{
	double bytes = (double)simulation->datagrams * (OUTER_HEADERS + ENVELOPE_OVERHEAD_BYTES +
							       RATE_MESSAGE_HEADER_BYTES) +
		       (double)simulation->entries * RATE_MESSAGE_ENTRY_BYTES;

	return bytes / seconds / LINK;
}

static int measure(unsigned host_count)
{
	double periods = (double)PERIODS * host_count, missing, divide_us, datagrams, part;
	double kib = (double)(sizeof(struct sim_host) +
			      NICS_PER_HOST *
				      (sizeof(struct fair_claim) + 2 * sizeof(struct fair_edge))) /
		     1024;
	struct simulation simulation;

	if (start(&simulation, host_count) < 0)
		return -1;
	missing = run_changing(&simulation);
	divide_us = (double)simulation.divide_ns / periods / NS_PER_US;
	datagrams = (double)simulation.datagrams / periods * NS_PER_S / PERIOD_NS;
	part = part_of_link(&simulation, periods * PERIOD_NS / NS_PER_S);
	printf("%5u %6u  %10.1f  %9.0f  %9.3f%%  %8.2f%%  %7u  %6.1f\n", host_count,
		host_count * NICS_PER_HOST, divide_us, datagrams, 100 * part, 100 * missing,
		worst_settling(&simulation), kib);
	end(&simulation);
	return 0;
}

int main(void)
{
	static const unsigned host_counts[] = {10, 100, 1000};

	puts("a period of 5 ms, links of 1 Gbit/s; per host:\n"
	     "hosts  vNICs  us/division  datagrams/s  of link  shortfall  periods  KiB");
	for (unsigned i = 0; i < sizeof host_counts / sizeof *host_counts; i++)
		if (measure(host_counts[i]) < 0) {
			fprintf(stderr, "bench_gatekeeper: no memory\n");
			return 1;
		}
	return 0;
}
