/* The command line of `sluice vm run`. */
#ifndef SLUICE_CLI_VM_OPTIONS_H
#define SLUICE_CLI_VM_OPTIONS_H

#include <jansson.h>

#include "control/configuration/problems.h"
#include "control/vm/vm_description.h"

struct vm_options {
	const char *name;    /* of a VM in the configuration; NULL: there is none */
	const char *file;    /* with this VM alone, or NULL */
	const char *config;  /* the configuration, or NULL for the default */
	const char *console; /* a file, or NULL */
	enum vm_sandbox sandbox;
	json_t *settings; /* with the keys of an entry of `vms`; these go before what the files say */
	json_t *how;	  /* owns the texts */
};

/* Print what is wrong with values of options, by the names of those, and take it off the list. */
void vm_options_complain(const struct vm_options *options, struct problems *problems);

/* Returns 0; or EXIT_USAGE, after having complained. To be freed in any case. */
int vm_options_parse(int argc, char **argv, struct vm_options *options);
void vm_options_free(struct vm_options *options);

#endif
