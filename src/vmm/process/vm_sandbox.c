/* What a VM's process needs besides what all do. */
#include "vmm/process/vm_sandbox.h"

#include <errno.h>
#include <linux/kvm.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define KVM_TYPE_MASK 0xff00u /* _IOC_TYPE */

static const struct sandbox_allowed allowed[] = {
	/* vCPUs and their VM: whatever /dev/kvm's descriptors take, and nothing of a terminal's
	   but what says whether it is one. */
	{SCMP_SYS(ioctl), {1, KVM_TYPE_MASK, KVMIO << _IOC_TYPESHIFT}},
	{SCMP_SYS(ioctl), SANDBOX_EXACTLY(1, TCGETS)},

	/* Back ends, again and again: Unix sockets alone. */
	{SCMP_SYS(socket), SANDBOX_EXACTLY(0, AF_UNIX)},
	{SCMP_SYS(socketpair), SANDBOX_EXACTLY(0, AF_UNIX)},
	{SCMP_SYS(connect), SANDBOX_ANYTHING},
};

/* All files are open. */
static const struct sandbox_refused refused[] = {
	{SCMP_SYS(open), EACCES}, {SCMP_SYS(openat), EACCES}, {SCMP_SYS(access), EACCES},
	{SCMP_SYS(faccessat), EACCES}, {SCMP_SYS(faccessat2), EACCES},
	{SCMP_SYS(unlink), EACCES}, /* its control socket, which whoever started it removes */
};

int vm_sandbox_enter(const char *user, bool is_only_logging, struct error *error)
{
	const struct sandbox_table tables[] = {
		sandbox_table_common,
		{allowed, sizeof allowed / sizeof *allowed, refused,
			sizeof refused / sizeof *refused},
	};
	const struct sandbox_config config = {
		.subject = "the VM's process",
		.user = user,
		.user_default = VM_SANDBOX_USER_DEFAULT,
		.tables = tables,
		.table_count = sizeof tables / sizeof *tables,
		.frequent_call = SCMP_SYS(ioctl), /* each exit of a vCPU's */
		.is_only_logging = is_only_logging,
	};

	return sandbox_enter(&config, error);
}
