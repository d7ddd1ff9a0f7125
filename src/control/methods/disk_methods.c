#include "control/methods/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control/describe/describe.h"
#include "control/host/host.h"
#include "control/methods/params.h"

static int wanted_disk(const struct host *host, const json_t *params, struct error *error)
{
	const char *name = params_name(params, error);

	return name ? host_find_disk(host, name, error) : -EINVAL;
}

int method_disk_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->configuration->disks_count; i++)
		json_array_append_new(*result, describe_disk_briefly(host, i));
	return 0;
}

int method_disk_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_disk(context, params, error);

	if (index < 0)
		return index;
	*result = describe_disk(context, (unsigned)index);
	return 0;
}

static void load_disk(const char *text, size_t length, void *disk, struct problems *problems)
{
	configuration_load_disk(text, length, disk, problems);
}

static void load_slo(const char *text, size_t length, void *slo, struct problems *problems)
{
	configuration_load_slo(text, length, slo, problems);
}

int method_disk_add(void *context, const json_t *params, json_t **result, struct error *error)
{
	struct host *host = context;
	struct disk_settings *settings = NULL;
	int code = params_load(params, load_disk, &settings, error);

	if (code == 0)
		code = host_add_disk(host, settings, false, error);
	if (code < 0) {
		configuration_free_disk(settings);
		return code;
	}
	*result = describe_disk_briefly(host, host->configuration->disks_count - 1);
	log_info("disk '%s': added", json_string_value(json_object_get(*result, "name")));
	return 0;
}

/* A device's node is not ours to delete. */
static int check_deletable(const char *path, struct error *error)
{
	struct stat status;

	if (!*path || stat(path, &status) < 0 || S_ISREG(status.st_mode))
		return 0;
	return error_set(error, -EINVAL,
		"the disk's image %s is not a file and cannot be deleted; remove the disk without "
		"that",
		path);
}

static int delete_image(const char *path, struct error *error)
{
	if (!*path || unlink(path) == 0)
		return 0;
	return error_set(error, -errno,
		"the disk is gone, but its image %s could not be deleted: %s", path,
		strerror(errno));
}

int method_disk_remove(void *context, const json_t *params, json_t **result, struct error *error)
{
	bool is_deleting = json_is_true(json_object_get(params, "delete_image"));
	struct host *host = context;
	int index = wanted_disk(host, params, error), code = 0;
	char path[PATH_MAX];

	if (index < 0)
		return index;
	disk_image(host->disks[index].disk, path, sizeof path);
	if (is_deleting)
		code = check_deletable(path, error);
	if (code == 0)
		code = host_remove_disk(host, (unsigned)index, error);
	if (code < 0)
		return code;
	log_info("disk '%s': removed", json_string_value(json_object_get(params, "name")));
	*result = json_pack("{s:s, s:b}", "image", path, "is_deleted", is_deleting && *path);
	return is_deleting ? delete_image(path, error) : 0;
}

/* What the request does not name stays as it is. */
static int keep_the_rest(const struct slo_settings *old, const json_t *given,
	struct slo_settings *settings, struct error *error)
{
	struct slo_settings *copy;

	if (!old)
		return 0;
	copy = configuration_copy_slo(old);
	if (!copy)
		return error_set(error, -ENOMEM, "out of memory");
	if (!json_object_get(given, "weight")) {
		settings->weight = copy->weight;
		copy->weight = NULL;
	}
	if (!json_object_get(given, "tiers")) {
		settings->tiers = copy->tiers;
		settings->tiers_count = copy->tiers_count;
		copy->tiers = NULL;
		copy->tiers_count = 0;
	}
	if (!json_object_get(given, "limit")) {
		settings->limit = copy->limit;
		copy->limit = NULL;
	}
	configuration_free_slo(copy);
	return 0;
}

static int set_slo(struct host *host, unsigned index, const json_t *slo, struct error *error)
{
	struct slo_settings *settings = NULL;
	int code = params_load(slo, load_slo, &settings, error);

	if (code < 0)
		return error_prefix(error, code, "slo: ");
	code = keep_the_rest(host->configuration->disks[index].slo, slo, settings, error);
	if (code == 0)
		code = host_set_slo(host, index, settings, error);
	if (code < 0)
		configuration_free_slo(settings);
	return code;
}

int method_disk_set(void *context, const json_t *params, json_t **result, struct error *error)
{
	const json_t *slo = json_object_get(params, "slo"), *size = json_object_get(params, "size");
	struct host *host = context;
	int index = wanted_disk(host, params, error), code = 0;

	if (index < 0)
		return index;
	if (!slo && !size)
		return error_set(error, -EINVAL, "nothing to set; give 'slo' or 'size'");
	if (size && !json_is_string(size))
		return error_set(error, -EINVAL, "size: must be text like \"20GiB\"");
	if (slo)
		code = set_slo(host, (unsigned)index, slo, error);
	if (code == 0 && size)
		code = host_resize(host, (unsigned)index, json_string_value(size), error);
	if (code == 0)
		*result = describe_disk_briefly(host, (unsigned)index);
	return code;
}
