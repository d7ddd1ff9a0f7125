/* Why a module's process has ended, in words. */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_ENDING_H
#define SLUICE_OFFLOAD_HOST_MODULE_ENDING_H

#include <stdbool.h>
#include <stddef.h>

struct module_ending {
	int status;	   /* of waitpid(2) */
	const char *crime; /* for which sluiced has killed it: "did not answer in time"; or NULL */
	bool was_asked_to_close, has_said_why;
	bool has_memory_limit;
};

/*
 * As what follows "module 'db': ". Returns false if nothing is to be said: it was asked to close, or could not start and has said why.
 */
bool module_ending_explain(const struct module_ending *ending, char *text, size_t size);

#endif
