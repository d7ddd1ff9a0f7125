/*
 * KVM's own statistics of a VM or a vCPU (KVM_GET_STATS_FD; Documentation/virt/kvm/api.rst, 4.133): names and
 * numbers. The descriptor of a vCPU's is opened before it runs, since KVM makes the caller wait while it
 * does; reading goes past all locks.
 */
#ifndef SLUICE_VMM_KVM_STATISTICS_H
#define SLUICE_VMM_KVM_STATISTICS_H

#include <stdint.h>

#include "base/error.h"

struct kvm_statistics;

/*
 * @fd: of a VM or of a vCPU, as KVM calls them
 * Returns 0; -ENOTTY for a kernel that has none; -EPROTO for what cannot be understood.
 */
int kvm_statistics_open(int fd, struct kvm_statistics **statistics, struct error *error);
void kvm_statistics_close(struct kvm_statistics *statistics);

/* As above, of a descriptor that is read like KVM's; it becomes the statistics' own when 0 is returned. */
int kvm_statistics_open_file(int file, struct kvm_statistics **statistics, struct error *error);

/*
 * Any thread: call `function` with each number. Histograms are left out.
 *
 * Returns 0 or a negative errno.
 */
int kvm_statistics_each(const struct kvm_statistics *statistics,
	void (*function)(void *argument, const char *name, uint64_t value), void *argument);

#endif
