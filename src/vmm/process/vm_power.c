#include "vmm/process/vm_power.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"

int vm_power_init(
	struct vm_power *power, struct vm_life *life, uint64_t grace_ns, struct error *error)
{
	*power = (struct vm_power){
		.life = life,
		.grace_ns = grace_ns,
		.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
	};
	if (power->timer_fd >= 0)
		return 0;
	return error_set(error, -errno, "cannot make a timer: %s", strerror(errno));
}

void vm_power_free(struct vm_power *power)
{
	close(power->timer_fd);
}

static void press(struct vm_power *power)
{
	const struct itimerspec grace = {
		.it_value.tv_sec = (time_t)(power->grace_ns / NS_PER_S),
		.it_value.tv_nsec = (long)(power->grace_ns % NS_PER_S),
	};
	char text[UNITS_TEXT_BYTES];

	power->is_pressed = true;
	log_info("power button pressed; the guest has %s to turn itself off",
		units_format_duration(text, power->grace_ns));
	vm_life_press_power_button(power->life);
	timerfd_settime(power->timer_fd, 0, &grace, NULL);
}

void vm_power_request(struct vm_power *power, bool is_at_once)
{
	if (is_at_once || power->is_pressed || !power->grace_ns)
		vm_life_stop(power->life);
	else
		press(power);
}

void vm_power_signal(struct vm_power *power, bool is_at_once, bool is_forwarded)
{
	unsigned *same = is_forwarded ? &power->forwarded_signals : &power->direct_signals;
	unsigned other = is_forwarded ? power->direct_signals : power->forwarded_signals;

	if (++*same > other || is_at_once)
		vm_power_request(power, is_at_once);
}

void vm_power_expire(struct vm_power *power)
{
	uint64_t expirations;

	if (read(power->timer_fd, &expirations, sizeof expirations) != sizeof expirations)
		return;
	log_warning("the guest has not turned itself off; stopping it");
	vm_life_stop(power->life);
}
