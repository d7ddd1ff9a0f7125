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
};

/* By which way an access comes to whoever handles it. */
enum exit_path {
	EXIT_BY_POST,	    /* the vCPU's thread posts it to the hypervisor core (exit_slot.h) */
	EXIT_BY_COALESCING, /* KVM notes it in a ring, which the hypervisor core drains */
	EXIT_BY_DOORBELL, /* KVM writes to an eventfd, which a back end or the hypervisor core reads */
	EXIT_BY_MEMORY, /* the guest writes to memory that the hypervisor core polls */
	EXIT_BY_KERNEL, /* KVM handles it itself */
};

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
