/* What a machine has counted, as JSON: what `sluice vm stat` is made from. Units are in the keys. */
#ifndef SLUICE_VMM_PROCESS_VM_STATISTICS_H
#define SLUICE_VMM_PROCESS_VM_STATISTICS_H

#include <jansson.h>

#include "vmm/machine.h"

/*
 * Everything since the machine was made; a reboot makes another. What is 0 is left out of lists.
 *
 * Returns a new reference.
 */
json_t *vm_statistics_describe(const struct machine *machine);

#endif
