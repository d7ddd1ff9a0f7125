/* CPUs: how many there are, staying on one, and being polite while spinning on one. */
#ifndef SLUICE_BASE_CPU_H
#define SLUICE_BASE_CPU_H

/* CPUs that the calling thread may run on; at least 1. */
unsigned cpu_usable_count(void);

/* CPUs that it could be kept to by `cpu_pin_thread`, whatever it is kept to now, and may be kept to for a moment; at least 1. */
unsigned cpu_allowed_count(void);

/*
 * Keep the calling thread on one CPU.
 *
 * Returns 0, -EINVAL if there is no such CPU or this process may not use it.
 */
int cpu_pin_thread(int cpu);

/* Tell the core that this is a spin loop. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

#endif
