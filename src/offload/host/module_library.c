#include "offload/host/module_library.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#define SYMBOL "sluice_module"

static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = 0;

	while (tasks && readdir(tasks))
		count++;
	if (tasks)
		closedir(tasks);
	return count - 2; /* "." and ".." */
}

static bool is_complete(const struct sluice_module *module)
{
	return module->name && module->open && module->close && module->connect &&
	       module->disconnect && module->handle;
}

static int check(const char *path, const struct sluice_module *module, struct error *error)
{
	if (module->abi != SLUICE_MODULE_ABI)
		return error_set(error, -EPROTONOSUPPORT,
			"%s: is a module for interface %u, and this is %u; build it anew", path,
			module->abi, SLUICE_MODULE_ABI);
	if (!is_complete(module))
		return error_set(error, -ENOEXEC,
			"%s: lacks one of name, open, close, connect, disconnect and handle", path);
	if (count_threads() > 1)
		return error_set(error, -EPERM,
			"%s: starts threads when it is loaded; it may not before 'open'", path);
	return 0;
}

int module_library_load(const char *path, const struct sluice_module **module, struct error *error)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return error_set(error, -ENOENT, "cannot load the module: %s", dlerror());
	*module = dlsym(library, SYMBOL);
	if (!*module)
		return error_set(error, -ENOEXEC,
			"%s: is no module; it must export 'struct sluice_module " SYMBOL "'", path);
	return check(path, *module, error);
}
