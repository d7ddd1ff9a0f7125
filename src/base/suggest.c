#include "base/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <sys/param.h>

#define WORD_BYTES_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
	return MIN(a, MIN(b, c));
}

static bool differ(char a, char b)
{
	return tolower((unsigned char)a) != tolower((unsigned char)b);
}

/* From the distances of a word to each start of `to` to those of the word with `letter` behind it. */
static void add_letter(size_t *row, char letter, const char *to, size_t length)
{
	size_t diagonal = row[0];

	row[0]++;
	for (size_t i = 1; i <= length; i++) {
		size_t above = row[i];

		row[i] = least(above + 1, row[i - 1] + 1, diagonal + differ(letter, to[i - 1]));
		diagonal = above;
	}
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(const char *from, const char *to)
{
	size_t row[WORD_BYTES_MAX + 1], length = strlen(to);

	for (size_t i = 0; i <= length; i++)
		row[i] = i;
	for (; *from; from++)
		add_letter(row, *from, to, length);
	return row[length];
}

const char *suggest_nearest(const char *word, const char *const *words, size_t count)
{
	size_t length = strlen(word), best_distance = 1 + length / 3;
	const char *best = NULL;

	if (length > WORD_BYTES_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t far;

		if (strlen(words[i]) > WORD_BYTES_MAX)
			continue;
		far = distance(word, words[i]);
		if (far <= best_distance && (!best || far < best_distance)) {
			best = words[i];
			best_distance = far;
		}
	}
	return best;
}
