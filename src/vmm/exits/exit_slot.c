#include "vmm/exits/exit_slot.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/cpu.h"

#define SPIN_NS_FIRST 4000u /* where a window that was 0 starts to grow */
#define SPINS_PER_LOOK_AT_THE_CLOCK 32u

void exit_slot_init(
	struct exit_slot *slot, const struct exit_context *context, uint64_t spin_ns_max)
{
	memset(slot, 0, sizeof *slot);
	slot->state = EXIT_SLOT_OWN;
	slot->spin_ns_max = spin_ns_max;
	slot->spin_ns = spin_ns_max;
	slot->context = *context;
}

void exit_slot_post(struct exit_slot *slot)
{
	__atomic_store_n(&slot->state, EXIT_SLOT_POSTED, __ATOMIC_RELEASE);
}

bool exit_slot_is_posted(const struct exit_slot *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != EXIT_SLOT_OWN;
}

/* Returns whether the answer came within the window. */
static bool spin(const struct exit_slot *slot, uint64_t posted_ns)
{
	unsigned spins = 0;

	if (slot->spin_ns == 0)
		return !exit_slot_is_posted(slot);
	while (exit_slot_is_posted(slot)) {
		cpu_relax();
		if (++spins % SPINS_PER_LOOK_AT_THE_CLOCK == 0 &&
			clock_now_ns() - posted_ns >= slot->spin_ns)
			return false;
	}
	return true;
}

static void sleep_until_answered(struct exit_slot *slot)
{
	uint32_t posted = EXIT_SLOT_POSTED;

	__atomic_compare_exchange_n(&slot->state, &posted, EXIT_SLOT_POSTED_ASLEEP, false,
		__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
	/* It returns early for a signal, and at once if the answer is there. */
	while (exit_slot_is_posted(slot))
		syscall(SYS_futex, &slot->state, FUTEX_WAIT_PRIVATE, EXIT_SLOT_POSTED_ASLEEP, NULL,
			NULL, 0);
}

/* Would a longer window have saved the sleep, or was even the spinning in vain? */
static void adapt_window(struct exit_slot *slot, uint64_t waited_ns)
{
	if (waited_ns > slot->spin_ns_max) {
		slot->spin_ns /= 2;
		return;
	}
	slot->spin_ns = slot->spin_ns ? 2 * slot->spin_ns : SPIN_NS_FIRST;
	if (slot->spin_ns > slot->spin_ns_max)
		slot->spin_ns = slot->spin_ns_max;
}

uint64_t exit_slot_wait(struct exit_slot *slot, uint64_t posted_ns)
{
	uint64_t now_ns;

	if (spin(slot, posted_ns)) {
		counter_add(&slot->by_vcpu.answered_spinning, 1);
	} else {
		counter_add(&slot->by_vcpu.answered_asleep, 1);
		sleep_until_answered(slot);
	}
	now_ns = clock_now_ns();
	adapt_window(slot, now_ns - posted_ns);
	return now_ns;
}

void exit_slot_answer(struct exit_slot *slot)
{
	uint32_t was = __atomic_exchange_n(&slot->state, EXIT_SLOT_OWN, __ATOMIC_ACQ_REL);

	if (was != EXIT_SLOT_POSTED_ASLEEP)
		return;
	counter_add(&slot->by_core.wakes, 1);
	syscall(SYS_futex, &slot->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
