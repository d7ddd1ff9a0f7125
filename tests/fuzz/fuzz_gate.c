/*
 * What a hostile process writes into its gate's memory: the first byte chooses the SLO; the rest is a script of words for slots, of
 * posted slots, of grants that are not ended, and of processes that end.
 *
 * Whatever they are, what is in flight is what the sidecore believes is, the window is what was granted, nothing of the memory changes
 * but states of slots, and when the process has ended nothing of it is left.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "disk/gate_private.h"
#include "script.h"
#include "sidecore_here.h"

static struct pool *pool;
static struct gate *gate;
static struct gate_descriptors descriptors;
static struct gate_region *region; /* as the process maps it */
static struct gate_slot written[GATE_SLOTS];

/* ---- the process ---- */

static void begin_process(void)
{
	struct error error;

	if (gate_open(gate, &descriptors, &error) < 0)
		abort();
	region = mmap(
		NULL, sizeof *region, PROT_READ | PROT_WRITE, MAP_SHARED, descriptors.region, 0);
	if (region == MAP_FAILED)
		abort();
	memset(written, 0, sizeof written);
}

static void end_process(void)
{
	struct scheduler_state state;
	struct gate_statistics statistics;

	munmap(region, sizeof *region);
	gate_close(gate);
	gate_statistics(gate, &statistics);
	scheduler_state(pool->scheduler, &state);
	if (statistics.in_flight || state.in_flight_units > 0 || gate->timer.position)
		abort();
}

static void end_and_begin(struct script *script)
{
	end_process();
	begin_process();
}

static void write_state(struct script *script)
{
	struct gate_slot *slot = &region->slots[next_choice(script, GATE_SLOTS)];

	slot->state = next_choice(script, GATE_ENDED + 2);
}

static void write_slot(struct script *script)
{
	unsigned index = next_choice(script, GATE_SLOTS);

	written[index].kind = next_choice(script, GATE_KINDS + 1);
	written[index].is_sequential = next_u8(script);
	written[index].is_sleeping = next_u8(script);
	written[index].bytes = next_u64(script) >> next_choice(script, 64);
	region->slots[index].kind = written[index].kind;
	region->slots[index].is_sequential = written[index].is_sequential;
	region->slots[index].is_sleeping = written[index].is_sleeping;
	region->slots[index].bytes = written[index].bytes;
	region->slots[index].state = GATE_ASKED;
	region->posted |= 1ull << index;
}

static void end_io(struct script *script)
{
	unsigned index = next_choice(script, GATE_SLOTS);

	region->slots[index].state = GATE_ENDED;
	region->posted |= 1ull << index;
}

static void post(struct script *script)
{
	region->posted = next_u64(script);
}

static void write_parked(struct script *script)
{
	region->is_parked = next_u8(script);
}

static void fill_bell(struct script *script)
{
	unsigned bell = next_choice(script, GATE_SLOTS + 1);

	eventfd_write(bell < GATE_SLOTS ? descriptors.wake[bell] : descriptors.doorbell,
		UINT64_MAX - 1 - next_u8(script));
}

static void ring(struct script *script)
{
	eventfd_write(descriptors.doorbell, 1);
}

/* As if that much time had passed. */
static void let_grants_expire(struct script *script)
{
	if (gate->timer.position)
		gate->timer.expire(&gate->timer, clock_now_ns() + 2 * NS_PER_S);
}

/* ---- sluiced ---- */

static void check(void)
{
	uint64_t in_flight = 0, granted_milliunits = 0;
	struct scheduler_state state;

	for (unsigned i = 0; i < GATE_SLOTS; i++) {
		const struct gate_turn *turn = &gate->turns[i];
		const struct gate_slot *now = &region->slots[i], *then = &written[i];

		if (now->kind != then->kind || now->bytes != then->bytes ||
			now->is_sequential != then->is_sequential ||
			now->is_sleeping != then->is_sleeping)
			abort();
		in_flight += turn->state == GATE_TURN_WAITING || turn->state == GATE_TURN_GRANTED;
		if (turn->state == GATE_TURN_GRANTED)
			granted_milliunits += turn->request.slo.cost_milliunits;
	}
	scheduler_state(pool->scheduler, &state);
	if (in_flight != gate->in_flight ||
		(uint64_t)(state.in_flight_units * 1000 + 0.5) != granted_milliunits)
		abort();
}

static void run(struct script *script)
{
	sidecore_wake_poller(pool->sidecore, &gate->poller);
	sidecore_here_run();
	check();
}

static void set_slo(uint8_t choice)
{
	struct slo slo = {.weight = 100};
	struct error error;

	if (choice & 1) {
		slo.tier_count = 1;
		slo.tiers[0] = (struct slo_tier){8, 1000, 100 * NS_PER_MS};
	}
	if (choice & 2)
		slo.limit = (struct slo_limit){.operations_per_s = 100000, .bytes_per_s = 1 << 30};
	if (gate_set_slo(gate, &slo, &error) < 0)
		abort();
}

static void set_up(void)
{
	const struct sidecore_config core = {.name = "here", .cpu = SIDECORE_NOT_PINNED};
	const struct pool_config config = {.name = "pool",
		.backend = backend_find("null"),
		.capacity_units_per_s = 100000,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 64 << 10,
		.in_flight_max = 8,
		.is_enforcing = true};
	const struct gate_config gate_config = {.name = "module", .slo = {.weight = 100}};
	struct sidecore *sidecore;
	struct error error;

	if (sidecore_start(&core, &sidecore, &error) < 0 ||
		pool_create(&config, sidecore, &pool, &error) < 0 ||
		gate_create(pool, &gate_config, &gate, &error) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static void (*const steps[])(struct script * script) = {write_state, write_slot, write_slot,
		end_io, end_io, post, write_parked, fill_bell, ring, let_grants_expire,
		end_and_begin, run, run};
	struct script script = {bytes, size};

	if (!pool)
		set_up();
	set_slo(next_u8(&script));
	begin_process();
	while (script.left)
		steps[next_choice(&script, sizeof steps / sizeof *steps)](&script);
	run(&script);
	end_process();
	return 0;
}
