/* What `sluice vm stat` prints, from two looks at what a VM has counted. */
#ifndef SLUICE_CLI_VM_STAT_SHOW_H
#define SLUICE_CLI_VM_STAT_SHOW_H

#include <jansson.h>
#include <stdio.h>

/*
 * What happened between them, per second, and in all.
 *
 * @before, @after: answers of vm.stat, whose devices may have "ios", the requests or packets that were served
 */
void vm_stat_show(const json_t *before, const json_t *after, FILE *to);

#endif
