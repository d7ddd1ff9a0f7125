#include "offload/host/module_description.h"

#include <errno.h>
#include <string.h>

#define IS_ENDED(text) (memchr((text), '\0', sizeof(text)) != NULL)

static bool are_texts_ended(const struct module_description *description)
{
	bool are_ended = IS_ENDED(description->version) && IS_ENDED(description->name) &&
			 IS_ENDED(description->library) && IS_ENDED(description->directory) &&
			 IS_ENDED(description->socket) && IS_ENDED(description->group) &&
			 IS_ENDED(description->region) && IS_ENDED(description->doorbell) &&
			 IS_ENDED(description->user);

	for (unsigned i = 0; i < MODULE_OPTIONS_MAX && are_ended; i++)
		are_ended = IS_ENDED(description->options[i]);
	return are_ended;
}

int module_description_check(
	const struct module_description *description, size_t bytes, struct error *error)
{
	if (bytes != sizeof *description || !IS_ENDED(description->version) ||
		strcmp(description->version, SLUICE_VERSION) != 0)
		return error_set(error, -EPROTO,
			"sluice-module is of version " SLUICE_VERSION
			", and the sluiced that starts it is of another; restart sluiced");
	if (!are_texts_ended(description) || description->option_count > MODULE_OPTIONS_MAX ||
		!description->connections || description->connections > MODULE_CONNECTIONS_MAX)
		return error_set(error, -EPROTO, "the description of the module makes no sense");
	return 0;
}

struct module_option module_description_option(char text[MODULE_OPTION_BYTES])
{
	char *equals = strchr(text, '=');

	if (!equals)
		return (struct module_option){text, ""};
	*equals = '\0';
	return (struct module_option){text, equals + 1};
}
