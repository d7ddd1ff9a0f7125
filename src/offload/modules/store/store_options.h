/* What can be configured. */
#ifndef SLUICE_STORE_OPTIONS_H
#define SLUICE_STORE_OPTIONS_H

#include "base/error.h"
#include "offload/module.h"

struct store_options {
	size_t transaction_bytes_max; /* "transaction_bytes_max": of a transaction's changes and locks */
	unsigned background_threads; /* "background_threads": that compact */
	size_t memory_bytes;	     /* what the module may use, about */
};

/* Returns 0 or a negative errno. */
int store_options_read(
	const struct module_setup *setup, struct store_options *options, struct error *error);

#endif
