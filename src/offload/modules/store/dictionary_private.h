/* What the files of the dictionary share. All of it with the gate, for themselves. */
#ifndef SLUICE_STORE_DICTIONARY_PRIVATE_H
#define SLUICE_STORE_DICTIONARY_PRIVATE_H

#include "dictionary.h"
#include "dictionary_record.h"

/* NULL if there is none. */
struct table *dictionary_find_id(struct dictionary *dictionary, uint32_t id);

/* NULL if there is none, or it has another generation. */
struct table *dictionary_find_current(struct dictionary *dictionary, uint32_t id, uint32_t number);

/* NULL: no memory. */
struct generation *dictionary_new_generation(
	const struct table *table, uint32_t number, uint32_t space_first, uint32_t space_count);

/* It is in no map. NULL is ignored. */
void dictionary_free_table(struct table *table);

/* Copy a name; what was there is not freed. */
int dictionary_set_name(struct table *table, struct bytes name);

/* Put it into both maps, or neither. */
int dictionary_add(struct dictionary *dictionary, struct table *table);
void dictionary_remove(struct dictionary *dictionary, struct table *table);

#endif
