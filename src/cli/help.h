/* `sluice help`: what commands there are, and what their options are. */
#ifndef SLUICE_CLI_HELP_H
#define SLUICE_CLI_HELP_H

#include <stddef.h>

#include "cli/command.h"

/*
 * Print the commands that begin with these words, with their options; all if none does.
 *
 * @words: NULL at the end; only the first two count
 */
void help_print(const struct command *commands, size_t count, char *const *words);

#endif
