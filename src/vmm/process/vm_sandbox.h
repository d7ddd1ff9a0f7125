/*
 * A VM's process as a sandbox leaves it when a guest has broken out of KVM into it (sandbox/sandbox.h): all that a
 * reboot needs, which is memory, threads, a VM of /dev/kvm's open descriptor, and connections to back ends.
 */
#ifndef SLUICE_VMM_PROCESS_VM_SANDBOX_H
#define SLUICE_VMM_PROCESS_VM_SANDBOX_H

#include "sandbox/sandbox.h"

#define VM_SANDBOX_USER_DEFAULT "sluice-vm"

/*
 * As sandbox_enter.
 *
 * @user: NULL or empty: VM_SANDBOX_USER_DEFAULT if there is such a user
 */
int vm_sandbox_enter(const char *user, bool is_only_logging, struct error *error);

#endif
