#include "control/configuration/claims.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int claims_init(struct claims *claims, unsigned capacity)
{
	*claims = (struct claims){.claims = calloc(capacity + 1u, sizeof *claims->claims)};
	return claims->claims ? 0 : -ENOMEM;
}

void claims_free(struct claims *claims)
{
	for (unsigned i = 0; i < claims->count; i++)
		free(claims->claims[i].text);
	free(claims->claims);
}

void claims_add(struct claims *claims, unsigned index, const char *format, ...)
{
	va_list arguments;
	char *text;
	int length;

	va_start(arguments, format);
	length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length >= 0)
		claims->claims[claims->count++] = (struct claim){text, index};
}

static int compare(const void *left, const void *right)
{
	const struct claim *a = left, *b = right;
	int order = strcmp(a->text, b->text);

	return order ? order : (a->index > b->index) - (a->index < b->index);
}

void claims_report(struct claims *claims, const char *list, const char *key, const char *mend,
	struct problems *problems)
{
	qsort(claims->claims, claims->count, sizeof *claims->claims, compare);
	for (unsigned i = 1, first = 0; i < claims->count; i++) {
		const struct claim *claim = &claims->claims[i];
		char entry[PROBLEM_PATH_BYTES], path[PROBLEM_PATH_BYTES];

		if (strcmp(claims->claims[first].text, claim->text) != 0) {
			first = i;
			continue;
		}
		path_index(entry, list, claim->index);
		path_key(path, entry, key);
		problems_add(problems, path, "'%s' is taken by %s[%u]; %s", claim->text, list,
			claims->claims[first].index, mend);
	}
}
