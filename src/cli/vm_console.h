/*
 * Running sluice-vm, and what it leaves to others: the terminal, signals, and cleaning up.
 *
 * Theory of operation. The VM's process is sandboxed and may die at any time; so this one, its parent, has the
 * terminal: raw while the guest runs, as it was whatever becomes of the child. What is typed is looked
 * at here (vm_escape.h) and goes to the child by a pipe, so that the child has no terminal to read from. Without a
 * terminal the child has standard input as it is.
 */
#ifndef SLUICE_CLI_VM_CONSOLE_H
#define SLUICE_CLI_VM_CONSOLE_H

#include "base/error.h"

struct vm_console_config {
	const char *program;
	const char *argument;
	const char *file; /* gets what the guest writes, which has nothing to read then; or NULL */
};

/*
 * Run it until it ends.
 *
 * Returns how it ended, as waitpid(2) has it; or a negative errno with `error` set.
 */
int vm_console_run(const struct vm_console_config *config, struct error *error);

#endif
