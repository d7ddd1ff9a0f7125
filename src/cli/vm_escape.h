/*
 * What a person types at a guest's console, and what of it is for Sluice: Ctrl-A x ends the VM, Ctrl-A p presses
 * its power button, Ctrl-A Ctrl-A is Ctrl-A, and Ctrl-A with anything else is both.
 */
#ifndef SLUICE_CLI_VM_ESCAPE_H
#define SLUICE_CLI_VM_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

enum vm_escape_wish { VM_ESCAPE_NONE, VM_ESCAPE_POWER_BUTTON, VM_ESCAPE_END };

struct vm_escape {
	bool is_begun; /* Ctrl-A has come */
};

/*
 * Look at `count` bytes.
 *
 * @passed: receives what is for the guest, at most count + 1 bytes
 * @passed_count: receives how many
 * Returns the last wish among them.
 */
enum vm_escape_wish vm_escape_take(struct vm_escape *escape, const char *typed, size_t count,
	char *passed, size_t *passed_count);

#endif
