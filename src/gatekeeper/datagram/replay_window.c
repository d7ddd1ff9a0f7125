#include "gatekeeper/datagram/replay_window.h"

#include <string.h>

static uint64_t *word_of(struct replay_window *window, uint64_t sequence)
{
	return &window->seen[sequence % REPLAY_WINDOW_BITS / 64];
}

static uint64_t bit_of(uint64_t sequence)
{
	return 1ull << (sequence % 64);
}

/* Forget what the window leaves behind as it moves up to `sequence`. */
static void advance(struct replay_window *window, uint64_t sequence)
{
	if (sequence - window->highest >= REPLAY_WINDOW_BITS)
		memset(window->seen, 0, sizeof window->seen);
	else
		while (window->highest != sequence) {
			window->highest++;
			*word_of(window, window->highest) &= ~bit_of(window->highest);
		}
	window->highest = sequence;
}

static bool is_fresh(const struct envelope *envelope, uint64_t now_ns)
{
	uint64_t apart_ns = now_ns > envelope->sent_ns ? now_ns - envelope->sent_ns
						       : envelope->sent_ns - now_ns;

	return apart_ns <= REPLAY_FRESH_NS;
}

/* Somebody's clock was ahead and has been set right. Were it believed, nothing would be until then. */
static bool is_to_come(uint64_t epoch_ns, uint64_t now_ns)
{
	return epoch_ns > now_ns && epoch_ns - now_ns > REPLAY_FRESH_NS;
}

enum replay_verdict replay_window_judge(
	struct replay_window *window, const struct envelope *envelope, uint64_t now_ns)
{
	uint64_t sequence = envelope->sequence;

	if (!is_fresh(envelope, now_ns) || is_to_come(envelope->epoch_ns, now_ns))
		return REPLAY_STALE;
	if (is_to_come(window->epoch_ns, now_ns))
		*window = (struct replay_window){0};
	if (envelope->epoch_ns < window->epoch_ns)
		return REPLAY_OLD_EPOCH;
	if (envelope->epoch_ns > window->epoch_ns)
		*window = (struct replay_window){.epoch_ns = envelope->epoch_ns};
	if (sequence > window->highest)
		advance(window, sequence);
	else if (window->highest - sequence >= REPLAY_WINDOW_BITS ||
		 (*word_of(window, sequence) & bit_of(sequence)))
		return REPLAY_REPEATED;
	*word_of(window, sequence) |= bit_of(sequence);
	return REPLAY_NEW;
}
