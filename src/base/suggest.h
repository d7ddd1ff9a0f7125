/* "Did you mean ...?": the nearest of the words that would have been right. */
#ifndef SLUICE_BASE_SUGGEST_H
#define SLUICE_BASE_SUGGEST_H

#include <stddef.h>

/*
 * Of `count` words, the one that a typing slip turns into `word`; NULL if none is near.
 * Comparison ignores case.
 */
const char *suggest_nearest(const char *word, const char *const *words, size_t count);

#endif
