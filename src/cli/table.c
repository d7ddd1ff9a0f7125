#include "cli/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

static void append(struct table *table, char *text)
{
	char **cells = reallocarray(table->cells, table->cells_count + 1, sizeof *cells);

	/* A table without its last cells is all that a command can do without memory. */
	if (!cells || !text) {
		free(text);
		return;
	}
	table->cells = cells;
	table->cells[table->cells_count++] = text;
}

void table_init(struct table *table, const char *heads)
{
	memset(table, 0, sizeof *table);
	while (table->columns < TABLE_COLUMNS_MAX) {
		size_t length = strcspn(heads, "|");
		bool is_number = *heads == '>';

		if (is_number)
			table->is_right_aligned |= 1u << table->columns;
		append(table, strndup(heads + is_number, length - is_number));
		table->columns++;
		if (!heads[length])
			return;
		heads += length + 1;
	}
}

void table_add(struct table *table, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	append(table, text);
}

static void find_widths(const struct table *table, int widths[TABLE_COLUMNS_MAX])
{
	memset(widths, 0, TABLE_COLUMNS_MAX * sizeof *widths);
	for (size_t i = 0; i < table->cells_count; i++)
		widths[i % table->columns] =
			MAX(widths[i % table->columns], (int)strlen(table->cells[i]));
}

void table_print(struct table *table, FILE *to)
{
	int widths[TABLE_COLUMNS_MAX];

	find_widths(table, widths);
	for (size_t i = 0; i < table->cells_count; i++) {
		unsigned column = (unsigned)(i % table->columns);
		bool is_last = column == table->columns - 1 || i == table->cells_count - 1;

		if (table->is_right_aligned & (1u << column))
			fprintf(to, "%*s", widths[column], table->cells[i]);
		else
			fprintf(to, "%-*s", is_last ? 0 : widths[column], table->cells[i]);
		fputs(is_last ? "\n" : "  ", to);
		free(table->cells[i]);
	}
	free(table->cells);
}
