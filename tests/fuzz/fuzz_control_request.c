/* A line on the control socket: parsing, dispatch, and the parts of a configuration it may carry. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"
#include "control/configuration/network_values.h"
#include "control/socket/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load_disk(void *context, const json_t *params, json_t **result, struct error *error)
{
	static struct problems problems;
	char *text = json_dumps(params, JSON_ENSURE_ASCII);
	struct disk_settings *disk;

	problems.count = problems.dropped = 0;
	configuration_load_disk(text, strlen(text), &disk, &problems);
	free(text);
	configuration_free_disk(disk);
	*result = json_true();
	return problems_error(&problems, error);
}

static int load_nic(void *context, const json_t *params, json_t **result, struct error *error)
{
	static struct problems problems;
	char *text = json_dumps(params, JSON_ENSURE_ASCII);
	struct nic_config config;
	struct nic_settings *nic;

	problems.count = problems.dropped = 0;
	configuration_load_nic(text, strlen(text), &nic, &problems);
	if (nic)
		values_of_nic(nic, "", &config, &problems);
	free(text);
	configuration_free_nic(nic);
	*result = json_true();
	return problems_error(&problems, error);
}

static const struct rpc_method methods[] = {{"disk.add", load_disk}, {"nic.add", load_nic}, {0}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *answer = rpc_answer(methods, NULL, (const char *)data, size);

	if (answer && answer[strlen(answer) - 1] != '\n')
		abort();
	free(answer);
	return 0;
}
