/* A VM's settings, what they mean, and their description on its way to the program that runs it. */
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"
#include "control/configuration/vm_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is described is understood, and is the same. */
static void send(const struct vm_description *description)
{
	static struct vm_description got;
	json_t *sent = vm_description_encode(description), *again;
	char *text = json_dumps(sent, 0);

	if (text) {
		if (vm_description_decode(text, &got, NULL) < 0)
			abort();
		again = vm_description_encode(&got);
		if (!json_equal(sent, again))
			abort();
		json_decref(again);
	}
	free(text);
	json_decref(sent);
}

static void load(const char *text, size_t length)
{
	static struct vm_description description;
	static struct problems problems;
	struct vm_settings *vm = NULL;

	problems.count = problems.dropped = 0;
	configuration_load_vm(text, length, &vm, &problems);
	configuration_load_vm(text, length, &vm, &problems);
	if (vm && !problems.count)
		values_of_vm(vm, "", &description, &problems);
	if (vm && !problems.count)
		send(&description);
	configuration_free_vm(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vm_description description;
	char *text = strndup((const char *)data, size);

	vm_description_decode(text, &description, NULL);
	load(text, strlen(text));
	free(text);
	return 0;
}
