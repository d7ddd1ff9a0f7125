/* VMs that a configuration describes, whether they run or not. */
#ifndef SLUICE_CLI_VM_DESCRIBED_H
#define SLUICE_CLI_VM_DESCRIBED_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Add to `vms`, which run, those that `file` describes besides: as vm_description_encode has them, so without what
 * only a process has ("pid" and the like).
 *
 * Returns false, having complained, if the file cannot be read or makes no sense.
 */
bool vm_described_add(const char *file, json_t *vms);

#endif
