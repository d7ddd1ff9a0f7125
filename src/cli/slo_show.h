/* How the SLO of a disk or module, and how it was kept, is shown to people. */
#ifndef SLUICE_CLI_SLO_SHOW_H
#define SLUICE_CLI_SLO_SHOW_H

#include <jansson.h>
#include <stdio.h>

#define VERDICT_BYTES 160

/* Was the promise kept? `text` holds VERDICT_BYTES. Returns `text`. */
char *slo_verdict(char *text, const json_t *member);

void slo_show_tiers(const json_t *member, FILE *to);

/* A line for each limit that there is. */
void slo_show_limit(const json_t *member, FILE *to);

#endif
