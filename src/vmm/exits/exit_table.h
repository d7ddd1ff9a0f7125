/*
 * The exit table: every reason for which KVM gives control back to user space, and every kind of
 * register, with its class, how it is handled and where. exit_table.c is the one place that says so;
 * docs and `sluice vm stat` are made from it. The classes are SplitX's (Landau et al., WIOV'11).
 */
#ifndef SLUICE_VMM_EXITS_EXIT_TABLE_H
#define SLUICE_VMM_EXITS_EXIT_TABLE_H

#include <stdint.h>

enum exit_class {
	EXIT_ELIMINATED,   /* never leaves the guest */
	EXIT_ASYNCHRONOUS, /* the guest goes on at once; handled later, on a hypervisor core */
	EXIT_SYNCHRONOUS,  /* the guest waits for the answer */
	EXIT_CLASS_COUNT,
};

/* By which way an access comes to whoever handles it. */
enum exit_path {
	EXIT_BY_POST,	    /* the vCPU's thread posts it to the hypervisor core (exit_slot.h) */
	EXIT_BY_COALESCING, /* KVM notes it in a ring, which the hypervisor core drains */
	EXIT_BY_DOORBELL, /* KVM writes to an eventfd, which a back end or the hypervisor core reads */
	EXIT_BY_MEMORY, /* the guest writes to memory that the hypervisor core polls */
	EXIT_BY_KERNEL, /* KVM handles it itself */
	EXIT_PATH_COUNT,
};

/* Where an exit is handled (when the split is on; else what is ON_CORE is the vCPU's own work). */
enum exit_place {
	EXIT_ON_CORE,	/* a hypervisor core */
	EXIT_ON_VCPU,	/* the vCPU's thread: nothing is done but to go on or to end */
	EXIT_IN_KERNEL, /* KVM: user space sees it only if KVM cannot, and the guest goes on */
	EXIT_NOWHERE, /* of another architecture, or never asked for; one that comes ends the machine */
	EXIT_PLACE_COUNT,
};

extern const char *const exit_class_names[EXIT_CLASS_COUNT];
extern const char *const exit_path_names[EXIT_PATH_COUNT];
extern const char *const exit_place_names[EXIT_PLACE_COUNT];

/* ---- reasons: KVM_EXIT_* of linux/kvm.h ---- */

#define EXIT_REASON_COUNT 44u /* those that Linux 6.19 has */

/* What becomes of the machine. */
enum exit_verdict {
	EXIT_GO_ON,
	EXIT_OFF,   /* the guest has turned itself off */
	EXIT_RESET, /* it wants to boot again */
	EXIT_CRASH, /* the vCPU cannot go on; the handler has logged why */
};

struct exit_context; /* exit_handlers.h */

struct exit_reason_row {
	const char *name; /* as in linux/kvm.h, without KVM_EXIT_ */
	enum exit_class class;
	enum exit_path path;
	enum exit_place place;
	enum exit_verdict (*handle)(const struct exit_context *context);
};

/* By reason. Every row is filled in. */
extern const struct exit_reason_row exit_reasons[EXIT_REASON_COUNT];

/* The row of a reason; that of KVM_EXIT_UNKNOWN if Linux has a newer one. Its place in the table, too. */
unsigned exit_reason_index(uint32_t reason);

/* ---- registers ---- */

enum register_space { REGISTER_PORT, REGISTER_MEMORY };

enum register_kind {
	REGISTER_SERIAL,
	REGISTER_KEYBOARD,
	REGISTER_POWER,
	REGISTER_PCI_CONFIG, /* address and data ports */
	REGISTER_EXIT_DOORBELL,
	REGISTER_VIRTIO_COMMON,
	REGISTER_VIRTIO_STATUS, /* virtio's ISR */
	REGISTER_VIRTIO_CONFIG, /* of the device's type */
	REGISTER_VIRTIO_DOORBELL,
	REGISTER_MSIX_TABLE,
	REGISTER_MSIX_PENDING,
	REGISTER_IVSHMEM,
	REGISTER_IVSHMEM_MEMORY, /* only while there is none */
	REGISTER_KIND_COUNT,
};

struct register_kind_row {
	const char *name;
	enum register_space space;
	enum exit_class read_class, write_class;
	enum exit_path read_path, write_path;
};

extern const struct register_kind_row register_kinds[REGISTER_KIND_COUNT];

#endif
