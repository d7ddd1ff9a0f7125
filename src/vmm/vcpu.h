/*
 * A vCPU: KVM's, and the thread on a guest core that does nothing but let it run.
 *
 * Theory of operation. When KVM_RUN returns the thread has the exit service take the exit, and calls KVM_RUN
 * again when it has been handled. It is ended by setting a flag, `immediate_exit` in its struct kvm_run, and a
 * signal: the flag is looked at before KVM_RUN, `immediate_exit` at its beginning, the signal ends it
 * later. While it waits for an answer nothing is needed: the service answers every post.
 */
#ifndef SLUICE_VMM_VCPU_H
#define SLUICE_VMM_VCPU_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/boot/cpu_state.h"
#include "vmm/exits/exit_service.h"
#include "vmm/exits/exit_slot.h"
#include "vmm/kvm.h"
#include "vmm/kvm_statistics.h"

struct vcpu_config {
	const char *machine_name; /* outlives it */
	const struct kvm *kvm;
	int vm_fd;
	int cpu; /* the guest core, or SIDECORE_NOT_PINNED */
	uint64_t spin_ns_max;
	struct cpu_state_config state;
	struct registers *registers;
	struct exit_service *service;
	/* Any thread: it cannot go on. */
	void (*end)(void *context, enum exit_verdict verdict);
	void *context;
};

struct vcpu;

/* Make it, and its thread, which waits. Returns 0 or a negative errno with `error` set. */
int vcpu_create(const struct vcpu_config *config, struct vcpu **vcpu, struct error *error);

/* Ends it, if it has not ended. NULL is left alone. */
void vcpu_destroy(struct vcpu *vcpu);

/* Let it run, once; wait until it has ended. */
void vcpu_start(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);

/* Any thread, any time between creation and destruction, its own included: it is to end now. */
void vcpu_stop(struct vcpu *vcpu);

struct exit_slot *vcpu_slot(struct vcpu *vcpu);
const struct kvm_statistics *vcpu_kvm_statistics(const struct vcpu *vcpu); /* NULL: KVM has none */

/* The page that KVM coalesces writes in, the same for all vCPUs of a VM; NULL: there is none. */
void *vcpu_coalesced_page(struct vcpu *vcpu);

#endif
