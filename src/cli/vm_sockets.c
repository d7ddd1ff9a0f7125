#include "cli/vm_sockets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "control/socket/control_client.h"
#include "control/socket/run_directory.h"

/*
 * How each kind is asked about, where in the answer its socket for a VM is, what that is called when nobody says otherwise, and why
 * there may be none.
 */
static const struct {
	const char *what, *method, *part, *key, *suffix, *lack;
} kinds[] = {
	[VM_DISK] = {"disk", "disk.show", NULL, "socket", ".sock", "it is not served"},
	[VM_NIC] = {"vNIC", "nic.show", "device", "socket", ".nic.sock",
		"sluiced only keeps promises to it; give it a 'device' in sluice.yaml"},
	[VM_MODULE] = {"module", "module.show", NULL, "doorbell", ".ivshmem.sock",
		"only processes of the host reach it; give it a 'region' in sluice.yaml"},
};

static int take_socket(struct vm_device *device, const char *socket, struct error *error)
{
	const char *what = kinds[device->kind].what;

	if (!*socket)
		return error_set(error, -ENODEV, "%s '%s' has no socket for a VM: %s", what,
			device->name, kinds[device->kind].lack);
	if (strlen(socket) >= sizeof device->socket)
		return error_set(error, -ENAMETOOLONG, "%s '%s': its socket's path is too long",
			what, device->name);
	snprintf(device->socket, sizeof device->socket, "%s", socket);
	return 0;
}

static int ask(struct vm_device *device, const char *control, struct error *error)
{
	json_t *answer = NULL;
	int result = control_call(control, kinds[device->kind].method,
		json_pack("{s:s}", "name", device->name), &answer, error);

	const json_t *served;

	if (result == 0) {
		served = kinds[device->kind].part
				 ? json_object_get(answer, kinds[device->kind].part)
				 : answer;
		result = take_socket(device, cli_text(served, kinds[device->kind].key), error);
	}
	json_decref(answer);
	return result;
}

static int guess(struct vm_device *device, const char *why, struct error *error)
{
	char path[PATH_MAX];
	struct stat status;

	snprintf(path, sizeof path, "%s/%s%s", run_directory(), device->name,
		kinds[device->kind].suffix);
	if (stat(path, &status) == 0 && S_ISSOCK(status.st_mode))
		return take_socket(device, path, error);
	return error_set(error, -ENOENT, "%s '%s' has no socket %s, and %s",
		kinds[device->kind].what, device->name, path, why);
}

int vm_sockets_find(struct vm_description *description, const char *control, struct error *error)
{
	json_t *status = NULL;
	struct error why;
	bool is_daemon = control_call(control, "daemon.status", json_object(), &status, &why) == 0;
	int result = 0;

	json_decref(status);
	for (unsigned i = 0; i < description->device_count && result == 0; i++) {
		struct vm_device *device = &description->devices[i];

		if (device->is_sluiced)
			result = is_daemon ? ask(device, control, error)
					   : guess(device, why.message, error);
	}
	return result;
}
