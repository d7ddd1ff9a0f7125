/*
 * Everything that is wrong with a text, each with where it is and how to mend it, so that a person
 * mends a configuration in one go.
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_PROBLEMS_H
#define SLUICE_CONTROL_CONFIGURATION_PROBLEMS_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"

#define PROBLEMS_MAX 64u
#define PROBLEM_PATH_BYTES 128
#define PROBLEM_TEXT_BYTES 384

struct yaml_tree;

struct problem {
	unsigned line, column;	       /* from 1; 0: unknown */
	char path[PROBLEM_PATH_BYTES]; /* "disks[1].slo.tiers[0].within"; empty: the whole */
	char text[PROBLEM_TEXT_BYTES];
};

struct problems {
	const struct yaml_tree *tree; /* finds the lines of paths; or NULL */
	unsigned count;
	unsigned dropped; /* more than PROBLEMS_MAX */
	struct problem list[PROBLEMS_MAX];
};

/* Note a problem at `path`, whose line is looked up in the tree. */
void problems_add(struct problems *problems, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Note a problem at a line and column. */
void problems_add_at(struct problems *problems, unsigned line, unsigned column, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* Bring the problems into the order of the text. */
void problems_sort(struct problems *problems);

/* Print one line per problem: "FILE:LINE:COLUMN: PATH: TEXT". */
void problems_print(const struct problems *problems, const char *file, FILE *to);

/* Put the first problems into one error message. Returns -EINVAL, or 0 if there are none. */
int problems_error(const struct problems *problems, struct error *error);

/* Write a path: `parent`, a dot unless it is empty, and `key`; or `parent`, "[" index "]". */
void path_key(char path[PROBLEM_PATH_BYTES], const char *parent, const char *key);
void path_index(char path[PROBLEM_PATH_BYTES], const char *parent, unsigned index);

#endif
