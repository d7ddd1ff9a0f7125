/*
 * /dev/kvm: what Sluice needs of it, what it can use, and making a VM in it.
 */
#ifndef SLUICE_VMM_KVM_H
#define SLUICE_VMM_KVM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct kvm {
	int fd;			 /* of the device; kept across reboots of the guest */
	uint32_t run_bytes;	 /* of a vCPU's struct kvm_run mapping */
	uint32_t coalesced_page; /* the coalesced ring's place in it, in pages; 0: there is none */
	uint32_t exits_that_can_be_disabled; /* KVM_X86_DISABLE_EXITS_* */
	bool has_coalesced_ports;
	bool has_statistics; /* KVM_CAP_BINARY_STATS_FD */
};

/*
 * Open the device and look what it can do.
 *
 * @path: NULL for /dev/kvm
 * Returns 0, -ENOENT, -EACCES (not in the group kvm), -ENOTSUP for a kernel that lacks what is needed,
 * which `error` names.
 */
int kvm_open(const char *path, struct kvm *kvm, struct error *error);
void kvm_close(struct kvm *kvm);

/*
 * Make a VM with its in-kernel interrupt controllers, no memory and no vCPU.
 *
 * Returns its descriptor, the caller's, or a negative errno with `error` set.
 */
int kvm_create_vm(const struct kvm *kvm, struct error *error);

/*
 * Let the guest halt, pause and wait for memory without an exit, as far as KVM can; before any vCPU is
 * made. For guest cores that nobody else uses. Returns 0 or a negative errno.
 */
int kvm_disable_idle_exits(const struct kvm *kvm, int vm_fd, struct error *error);

#endif
