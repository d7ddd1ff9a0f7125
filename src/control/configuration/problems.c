#include "control/configuration/problems.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/yaml_tree.h"

static struct problem *next_problem(struct problems *problems)
{
	if (problems->count == PROBLEMS_MAX) {
		problems->dropped++;
		return NULL;
	}
	return memset(&problems->list[problems->count++], 0, sizeof(struct problem));
}

void problems_add(struct problems *problems, const char *path, const char *format, ...)
{
	struct problem *problem = next_problem(problems);
	va_list arguments;

	if (!problem)
		return;
	snprintf(problem->path, sizeof problem->path, "%s", path);
	if (problems->tree)
		yaml_tree_locate(problems->tree, path, &problem->line, &problem->column);
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
}

void problems_add_at(
	struct problems *problems, unsigned line, unsigned column, const char *format, ...)
{
	struct problem *problem = next_problem(problems);
	va_list arguments;

	if (!problem)
		return;
	problem->line = line;
	problem->column = column;
	va_start(arguments, format);
	vsnprintf(problem->text, sizeof problem->text, format, arguments);
	va_end(arguments);
}

/* By place; problems of one place by path, so that the order never depends on qsort. */
static int compare(const void *left, const void *right)
{
	const struct problem *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return strcmp(a->path, b->path);
}

void problems_sort(struct problems *problems)
{
	qsort(problems->list, problems->count, sizeof *problems->list, compare);
}

void problems_print(const struct problems *problems, const char *file, FILE *to)
{
	for (unsigned i = 0; i < problems->count; i++) {
		const struct problem *problem = &problems->list[i];

		fprintf(to, "%s:", file);
		if (problem->line)
			fprintf(to, "%u:%u:", problem->line, problem->column);
		fprintf(to, " %s%s%s\n", problem->path, *problem->path ? ": " : "", problem->text);
	}
	if (problems->dropped)
		fprintf(to, "%s: and %u more\n", file, problems->dropped);
}

int problems_error(const struct problems *problems, struct error *error)
{
	char text[ERROR_MESSAGE_BYTES] = "";
	size_t used = 0;

	if (!problems->count)
		return 0;
	for (unsigned i = 0; i < problems->count && used < sizeof text; i++) {
		const struct problem *problem = &problems->list[i];

		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s%s%s", i ? "; " : "",
			problem->path, *problem->path ? ": " : "", problem->text);
	}
	return error_set(error, -EINVAL, "%s", text);
}

/* A path too long to keep is cut; its problem is then shown at the nearest place known. */
void path_key(char path[PROBLEM_PATH_BYTES], const char *parent, const char *key)
{
	int length = snprintf(path, PROBLEM_PATH_BYTES, "%s%s", parent, *parent ? "." : "");

	if (length < PROBLEM_PATH_BYTES)
		snprintf(path + length, (size_t)(PROBLEM_PATH_BYTES - length), "%s", key);
}

void path_index(char path[PROBLEM_PATH_BYTES], const char *parent, unsigned index)
{
	int length = snprintf(path, PROBLEM_PATH_BYTES, "%s", parent);

	if (length < PROBLEM_PATH_BYTES)
		snprintf(path + length, (size_t)(PROBLEM_PATH_BYTES - length), "[%u]", index);
}
