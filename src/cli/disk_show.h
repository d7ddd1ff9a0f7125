/* How a disk is shown to people. */
#ifndef SLUICE_CLI_DISK_SHOW_H
#define SLUICE_CLI_DISK_SHOW_H

#include <jansson.h>
#include <stdio.h>

#define VERDICT_BYTES 160

/* "connected", "waiting for a guest", ... from a disk's description. */
const char *disk_state(const json_t *disk);

/* Was the promise kept? `text` holds VERDICT_BYTES. Returns `text`. */
char *disk_verdict(char *text, const json_t *disk);

/* Everything that disk.show says, on `to`. */
void disk_show(const json_t *disk, FILE *to);

#endif
