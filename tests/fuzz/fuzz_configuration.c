/* sluice.yaml from anywhere: every text ends in a configuration or in problems, never in a crash. */
#include <stdlib.h>

#include "control/configuration/configuration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct problems problems;
	struct configuration *configuration;
	char *text;
	size_t length;

	problems.count = problems.dropped = 0;
	configuration_load((const char *)data, size, &configuration, &problems);
	if ((configuration != NULL) != (problems.count == 0))
		abort();
	if (configuration && configuration_save(configuration, &text, &length) == 0)
		free(text);
	configuration_free(configuration);
	return 0;
}
