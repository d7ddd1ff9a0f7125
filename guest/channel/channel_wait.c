/*
 * Waiting for the host.
 *
 * Theory of operation. Who waits polls for a while, if nobody else wants the CPU and that is likely to
 * be enough, and then sleeps. How likely it is, `trust` says: each poll that has seen what it waited
 * for adds to it, each in vain takes twice as much away, and without any only one wait of sixteen
 * polls, to see whether that has changed. How long a sleep took is no measure: a nap in a guest ends
 * when timers let it, whenever the answer came, and who was woken on a host may still wait for a CPU.
 *
 * Before it sleeps, it says for what, and looks once more; the other side moves an index, and then
 * looks whether somebody sleeps. Both have a full fence in between, so one of them sees the other.
 */
#include <errno.h>
#include <time.h>

#include "channel_private.h"

#define TRY_EVERY_WAITS 16u
#define LOOKS_PER_CLOCK 32u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

struct waiting {
	struct channel_connection *connection;
	uint32_t room_bytes; /* 0: only for a record */
};

static bool is_over(const struct waiting *waiting)
{
	struct channel_connection *connection = waiting->connection;

	return channel_has_record(connection) ||
	       (waiting->room_bytes && channel_has_room(connection, waiting->room_bytes)) ||
	       connection->is_broken;
}

static bool poll_until(const struct waiting *waiting, uint64_t until_ns)
{
	do
		for (unsigned i = 0; i < LOOKS_PER_CLOCK; i++) {
			if (is_over(waiting))
				return true;
			pause_cpu();
		}
	while (now_ns() < until_ns);
	return false;
}

/* One sleep, if there is still nothing. Returns whether the host is there. */
static bool sleep_for(const struct waiting *waiting, unsigned nap)
{
	struct channel_connection *connection = waiting->connection;
	const uint32_t reasons = SLUICE_CHANNEL_WAKE_FOR_DATA |
				 (waiting->room_bytes ? SLUICE_CHANNEL_WAKE_FOR_ROOM : 0);
	bool is_there = true;

	write_shared(connection->slot->client.sleeps, reasons);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!is_over(waiting) && !channel_is_lost(connection)) {
		channel_count(&connection->counters.sleeps, 1);
		is_there = connection->channel->transport->sleep(connection, nap);
	}
	write_shared(connection->slot->client.sleeps, 0);
	return is_there;
}

/* ---- polling, as long as it pays ---- */

static bool is_worth_polling(struct channel_connection *connection)
{
	if (connection->is_delayed || connection->poll_ns_max == 0 || channel_cpu_is_shared())
		return false;
	if (connection->trust > 0)
		return true;
	connection->waits_untried = (connection->waits_untried + 1) % TRY_EVERY_WAITS;
	return connection->waits_untried == 0;
}

static void learn(struct channel_connection *connection, bool has_paid)
{
	if (has_paid)
		connection->trust += connection->trust < CHANNEL_TRUST_MAX;
	else
		connection->trust -= connection->trust < 2 ? connection->trust : 2;
}

/* Returns whether it is over. */
static bool poll_if_worth_it(const struct waiting *waiting)
{
	struct channel_connection *connection = waiting->connection;
	bool has_paid;

	if (!is_worth_polling(connection))
		return is_over(waiting);
	has_paid = poll_until(waiting, now_ns() + connection->poll_ns_max);
	learn(connection, has_paid);
	return has_paid;
}

int channel_wait(struct channel_connection *connection, uint32_t room_bytes)
{
	const struct waiting waiting = {connection, room_bytes};

	if (connection->is_unheard)
		channel_wake(connection, SLUICE_CHANNEL_WAKE_FOR_DATA);
	connection->is_unheard = false;
	if (!poll_if_worth_it(&waiting))
		for (unsigned nap = 0; !is_over(&waiting); nap++)
			if (channel_is_lost(connection) || !sleep_for(&waiting, nap))
				return -ECONNRESET;
	return connection->is_broken ? -ECONNRESET : 0;
}
