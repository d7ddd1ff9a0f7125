/* What `sluice vm` prints, from what running VMs say. */
#ifndef SLUICE_CLI_VM_SHOW_H
#define SLUICE_CLI_VM_SHOW_H

#include <jansson.h>
#include <stdio.h>

void vm_show_list(const json_t *vms, FILE *to);
void vm_show(const json_t *vm, FILE *to);

#endif
