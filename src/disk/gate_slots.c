/* What the sidecore does with a gate's slots. */
#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "disk/gate_private.h"

#define GRANT_NS_MAX NS_PER_S
#define GRANT_NS_MIN NS_PER_MS
#define FORGIVEN_AFTER_NS (60 * NS_PER_S)

static struct gate_slot *slot_of(const struct gate_turn *turn)
{
	return &turn->gate->region->slots[turn - turn->gate->turns];
}

/* ---- granting ---- */

/* One that has lied about its ends once, or whose device hung, is believed again after a while. */
static void watch_grants(struct gate *gate, uint64_t now_ns)
{
	if (now_ns - gate->overdue_at_ns >= FORGIVEN_AFTER_NS)
		gate->grant_ns_max = GRANT_NS_MAX;
	if (!gate->timer.position)
		sidecore_set_timer(
			gate->member.pool->sidecore, &gate->timer, now_ns + gate->grant_ns_max);
}

static void grant(struct pool_request *request)
{
	struct gate_turn *turn = container_of(request, struct gate_turn, request);
	struct gate *gate = turn->gate;
	struct gate_slot *slot = slot_of(turn);

	turn->state = GATE_TURN_GRANTED;
	TAILQ_INSERT_TAIL(&gate->granted, turn, link);
	watch_grants(gate, request->slo.dispatched_ns);
	__atomic_store_n(&slot->state, GATE_GRANTED, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->is_sleeping, __ATOMIC_SEQ_CST))
		sidecore_ring_caller(&turn->wake);
}

/* ---- asking ---- */

static double price(
	const struct gate *gate, enum gate_kind kind, bool is_sequential, uint64_t bytes)
{
	const struct pool *pool = gate->member.pool;
	double units = 0;

	if (kind == GATE_READ)
		return pool_cost_units(pool, SLO_READ, is_sequential, bytes);
	if (kind == GATE_FLUSH)
		units = pool_cost_units(pool, SLO_FLUSH, false, 0);
	if (kind == GATE_WRITE || bytes)
		units += pool_cost_units(pool, SLO_WRITE, is_sequential, bytes);
	return units;
}

static void ask(struct gate_turn *turn, uint64_t now_ns)
{
	const struct gate_slot *slot = slot_of(turn);
	uint32_t kind = __atomic_load_n(&slot->kind, __ATOMIC_RELAXED);
	bool is_sequential = __atomic_load_n(&slot->is_sequential, __ATOMIC_RELAXED);
	uint64_t bytes = __atomic_load_n(&slot->bytes, __ATOMIC_RELAXED);
	struct gate *gate = turn->gate;
	uint64_t bytes_max = gate->transfer_bytes_max;

	turn->kind = kind < GATE_KINDS ? kind : GATE_WRITE;
	if (turn->kind == GATE_FLUSH)
		bytes_max = gate->flush_bytes_max;
	if (bytes > bytes_max)
		bytes = bytes_max;
	turn->state = GATE_TURN_WAITING;
	turn->request.send = grant;
	turn->request.slo.bytes = bytes;
	turn->request.slo.has_untrusted_latency = true;
	turn->request.slo.cost_units = price(gate, turn->kind, is_sequential, bytes);
	counter_add(&gate->in_flight, 1);
	scheduler_submit(
		gate->member.pool->scheduler, gate->member.flow, &turn->request.slo, now_ns);
}

/* ---- ending ---- */

static void count(struct gate_turn *turn)
{
	struct gate *gate = turn->gate;
	uint64_t *counters[GATE_KINDS] = {&gate->reads, &gate->writes, &gate->flushes};
	uint64_t *bytes = turn->kind == GATE_READ ? &gate->read_bytes : &gate->write_bytes;

	counter_add(counters[turn->kind], 1);
	counter_add(bytes, turn->request.slo.bytes);
}

/* As far as the scheduler is concerned, it is done. */
static void complete(struct gate_turn *turn, enum gate_turn_state next, uint64_t now_ns)
{
	struct gate *gate = turn->gate;

	TAILQ_REMOVE(&gate->granted, turn, link);
	turn->state = next;
	count(turn);
	counter_set(&gate->in_flight, gate->in_flight - 1);
	pool_complete(gate->member.pool, &turn->request, false, now_ns);
}

static void end(struct gate_turn *turn, uint64_t now_ns)
{
	if (turn->state == GATE_TURN_GRANTED)
		complete(turn, GATE_TURN_IDLE, now_ns);
	turn->state = GATE_TURN_IDLE;
	__atomic_store_n(&slot_of(turn)->state, GATE_FREE, __ATOMIC_RELEASE);
}

static unsigned complete_overdue(struct gate *gate, uint64_t now_ns)
{
	struct gate_turn *turn;
	unsigned completed = 0;

	while ((turn = TAILQ_FIRST(&gate->granted)) &&
		turn->request.slo.dispatched_ns + gate->grant_ns_max <= now_ns) {
		complete(turn, GATE_TURN_OVERDUE, now_ns);
		completed++;
	}
	return completed;
}

static void grants_expired(struct timer *timer, uint64_t now_ns)
{
	struct gate *gate = container_of(timer, struct gate, timer);
	unsigned completed = complete_overdue(gate, now_ns);
	const struct gate_turn *first = TAILQ_FIRST(&gate->granted);
	uint64_t next_ns;

	if (completed) {
		counter_add(&gate->overdue, completed);
		gate->overdue_at_ns = now_ns;
		gate->grant_ns_max /= 2;
		if (gate->grant_ns_max < GRANT_NS_MIN)
			gate->grant_ns_max = GRANT_NS_MIN;
	}
	if (first) {
		next_ns = first->request.slo.dispatched_ns + gate->grant_ns_max;
		if (next_ns <= now_ns)
			next_ns = now_ns + 1;
		sidecore_set_timer(gate->member.pool->sidecore, timer, next_ns);
	}
	pool_dispatch(gate->member.pool, now_ns);
}

/* ---- polling ---- */

/* A slot that says what makes no sense now is left alone. */
static void look_at(struct gate_turn *turn, uint64_t now_ns)
{
	uint32_t state = __atomic_load_n(&slot_of(turn)->state, __ATOMIC_ACQUIRE);
	bool is_granted = turn->state == GATE_TURN_GRANTED || turn->state == GATE_TURN_OVERDUE;

	if (state == GATE_ASKED && turn->state == GATE_TURN_IDLE)
		ask(turn, now_ns);
	else if (state == GATE_ENDED && is_granted)
		end(turn, now_ns);
}

static unsigned poll_slots(struct poller *poller, uint64_t now_ns)
{
	struct gate *gate = container_of(poller, struct gate, poller);
	unsigned looked_at = 0;
	uint64_t posted;

	if (!__atomic_load_n(&gate->region->posted, __ATOMIC_RELAXED))
		return 0;
	posted = __atomic_exchange_n(&gate->region->posted, 0, __ATOMIC_SEQ_CST);
	for (; posted; posted &= posted - 1, looked_at++)
		look_at(&gate->turns[__builtin_ctzll(posted)], now_ns);
	pool_dispatch(gate->member.pool, now_ns);
	return looked_at;
}

static bool arm(struct poller *poller)
{
	struct gate *gate = container_of(poller, struct gate, poller);

	__atomic_store_n(&gate->region->is_parked, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&gate->region->posted, __ATOMIC_SEQ_CST) != 0;
}

static void disarm(struct poller *poller)
{
	struct gate *gate = container_of(poller, struct gate, poller);

	__atomic_store_n(&gate->region->is_parked, 0, __ATOMIC_RELAXED);
}

/* ---- closing ---- */

static void try_to_close(struct gate *gate)
{
	if (!gate->is_closing || gate->is_watched)
		return;
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		if (gate->turns[i].wake.is_in_flight)
			return;
	gate->is_closing = false;
	sem_post(&gate->closed);
}

static void wake_sent(struct caller *caller)
{
	try_to_close(container_of(caller, struct gate_turn, wake)->gate);
}

static void doorbell_unwatched(struct doorbell *doorbell)
{
	struct gate *gate = container_of(doorbell, struct gate, doorbell);

	gate->is_watched = false;
	try_to_close(gate);
}

static void withdrawn(struct slo_request *request)
{
	struct gate_turn *turn = container_of(request, struct gate_turn, request.slo);

	turn->state = GATE_TURN_IDLE;
	counter_set(&turn->gate->in_flight, turn->gate->in_flight - 1);
}

void gate_slots_close(void *argument)
{
	struct gate *gate = argument;
	struct sidecore *sidecore = gate->member.pool->sidecore;
	const uint64_t now_ns = clock_now_ns();

	gate->is_closing = true;
	sidecore_remove_poller(sidecore, &gate->poller);
	flow_withdraw(gate->member.flow, withdrawn);
	while (!TAILQ_EMPTY(&gate->granted))
		complete(TAILQ_FIRST(&gate->granted), GATE_TURN_IDLE, now_ns);
	if (gate->timer.position)
		sidecore_cancel_timer(sidecore, &gate->timer);
	sidecore_unwatch(&gate->doorbell, doorbell_unwatched);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		sidecore_redirect_caller(&gate->turns[i].wake, -1);
	pool_dispatch(gate->member.pool, now_ns);
	try_to_close(gate);
}

/* ---- opening ---- */

static void init_turn(struct gate *gate, unsigned index)
{
	gate->turns[index] = (struct gate_turn){
		.gate = gate,
		.wake = {.sidecore = gate->member.pool->sidecore,
			.fd = gate->descriptors.wake[index],
			.idle = wake_sent},
	};
}

void gate_slots_open(void *argument)
{
	struct gate *gate = argument;
	struct sidecore *sidecore = gate->member.pool->sidecore;

	TAILQ_INIT(&gate->granted);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		init_turn(gate, i);
	gate->timer = (struct timer){.expire = grants_expired};
	/* A process that is started again inherits what its predecessor has earned. */
	if (!gate->grant_ns_max)
		gate->grant_ns_max = GRANT_NS_MAX;
	gate->poller = (struct poller){.poll = poll_slots, .arm = arm, .disarm = disarm};
	gate->doorbell =
		(struct doorbell){.poller = &gate->poller, .fd = gate->descriptors.doorbell};
	gate->is_watched = true;
	sidecore_add_poller(sidecore, &gate->poller);
	sidecore_watch(sidecore, &gate->doorbell);
}
