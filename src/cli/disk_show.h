/* How a disk is shown to people. */
#ifndef SLUICE_CLI_DISK_SHOW_H
#define SLUICE_CLI_DISK_SHOW_H

#include <jansson.h>
#include <stdio.h>

/* "connected", "waiting for a guest", ... from a disk's description. */
const char *disk_state(const json_t *disk);

/* Everything that disk.show says, on `to`. */
void disk_show(const json_t *disk, FILE *to);

#endif
