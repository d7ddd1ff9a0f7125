/* What `sluice module` prints. */
#ifndef SLUICE_CLI_MODULE_SHOW_H
#define SLUICE_CLI_MODULE_SHOW_H

#include <jansson.h>
#include <stdio.h>

void module_show_list(const json_t *modules, FILE *to);
void module_show(const json_t *module, FILE *to);

#endif
