/* Text in aligned columns. */
#ifndef SLUICE_CLI_TABLE_H
#define SLUICE_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16u

struct table {
	unsigned columns;
	unsigned is_right_aligned; /* a bit per column: for numbers */
	size_t cells_count;
	char **cells;
};

/*
 * Begin a table. `heads` are the columns' titles, separated by '|'; one that begins with '>' is of
 * a column of numbers.
 */
void table_init(struct table *table, const char *heads);

/* Add the next cell, row by row. */
void table_add(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print it and free it. */
void table_print(struct table *table, FILE *to);

#endif
