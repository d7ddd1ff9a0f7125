#include "disk/backend.h"

#include <stddef.h>
#include <string.h>

#include "disk/backend_ops.h"

static const struct backend_ops *const backends[] = {
	&backend_file_ops,
	&backend_ram_ops,
	&backend_null_ops,
};

const struct backend_ops *backend_find(const char *name)
{
	for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
		if (!strcmp(backends[i]->name, name))
			return backends[i];
	}
	return NULL;
}
