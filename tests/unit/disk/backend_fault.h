/*
 * A back end that goes wrong as planned: it passes requests on to another one, late, or fails them.
 * For tests; open it through `backend_fault_ops` like any other.
 */
#ifndef SLUICE_TESTS_BACKEND_FAULT_H
#define SLUICE_TESTS_BACKEND_FAULT_H

#include <stdbool.h>

#include "disk/backend.h"

struct backend_fault_plan {
	const struct backend_ops *inner; /* the back end that does the work */
	unsigned operations; /* those that fail: a mask of 1u << enum backend_operation */
	unsigned fail_every; /* the Nth of them fails, and the 2Nth, ...; 0: none does */
	int failure;	     /* a negative errno */
	bool is_hanging;     /* keep requests until backend_fault_go_on */
	uint64_t delay_ns;   /* added to every request of any kind; 0: none */
};

/* What the next disk that is opened does. Changing it later is seen by open disks too. */
extern struct backend_fault_plan backend_fault_plan;

extern const struct backend_ops backend_fault_ops;

/* End the hanging: submit what was kept. For sidecore_call, on the sidecore of the disk. */
void backend_fault_go_on(void *unused);

#endif
