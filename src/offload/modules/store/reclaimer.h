/*
 * What is done beside requests: space of what was dropped is given back to the device, and estimates are stored.
 *
 * Theory of operation. What was dropped is deleted already, as a range; only its bytes are still there. The reclaimer's thread lets RocksDB remove
 * the files that have nothing else, and rewrite those that have; then it deletes the record that said so. What a crash
 * interrupts is begun anew at the next start.
 */
#ifndef SLUICE_STORE_RECLAIMER_H
#define SLUICE_STORE_RECLAIMER_H

#include <pthread.h>

#include "dictionary.h"

struct reclaimer {
	struct dictionary *dictionary;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool is_wanted; /* there is something to reclaim */
	bool is_ending;
	uint64_t reclaimed; /* generations; atomic */
};

/* Returns 0 or a negative errno. */
int reclaimer_start(struct reclaimer *reclaimer, struct dictionary *dictionary);
void reclaimer_stop(struct reclaimer *reclaimer);

/* Something was dropped. */
void reclaimer_wake(struct reclaimer *reclaimer);

#endif
