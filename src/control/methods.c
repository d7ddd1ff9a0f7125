#include "control/methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control/describe.h"
#include "control/host.h"

static const char *name_of(const json_t *params, struct error *error)
{
	const char *name = json_string_value(json_object_get(params, "name"));

	if (!name)
		error_set(error, -EINVAL, "'name' is missing");
	return name;
}

static int wanted_disk(const struct host *host, const json_t *params, struct error *error)
{
	const char *name = name_of(params, error);

	return name ? host_find_disk(host, name, error) : -EINVAL;
}

static int disk_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->configuration->disks_count; i++)
		json_array_append_new(*result, describe_disk_briefly(host, i));
	return 0;
}

static int disk_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	int index = wanted_disk(context, params, error);

	if (index < 0)
		return index;
	*result = describe_disk(context, (unsigned)index);
	return 0;
}

/* JSON is YAML, so the configuration's own loader reads it, with its checks and messages. */
static int load_disk(const json_t *params, struct disk_settings **settings, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	char *text = json_dumps(params, JSON_ENSURE_ASCII);
	int result = -ENOMEM;

	if (problems && text) {
		configuration_load_disk(text, strlen(text), settings, problems);
		result = problems_error(problems, error);
	}
	free(text);
	free(problems);
	return result;
}

static int load_slo(const json_t *slo, struct slo_settings **settings, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	char *text = json_dumps(slo, JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	int result = -ENOMEM;

	if (problems && text) {
		configuration_load_slo(text, strlen(text), settings, problems);
		result = problems_error(problems, error);
	}
	free(text);
	free(problems);
	return result < 0 ? error_prefix(error, result, "slo: ") : 0;
}

static int disk_add(void *context, const json_t *params, json_t **result, struct error *error)
{
	struct host *host = context;
	struct disk_settings *settings = NULL;
	int code = load_disk(params, &settings, error);

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

static int disk_remove(void *context, const json_t *params, json_t **result, struct error *error)
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
	int code = load_slo(slo, &settings, error);

	if (code == 0)
		code = keep_the_rest(host->configuration->disks[index].slo, slo, settings, error);
	if (code == 0)
		code = host_set_slo(host, index, settings, error);
	if (code < 0)
		configuration_free_slo(settings);
	return code;
}

static int disk_set(void *context, const json_t *params, json_t **result, struct error *error)
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

static int pool_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->configuration->pools_count; i++)
		json_array_append_new(*result, describe_pool(host, i));
	return 0;
}

static int pool_show(void *context, const json_t *params, json_t **result, struct error *error)
{
	const char *name = name_of(params, error);
	int index = name ? host_find_pool(context, name, error) : -EINVAL;

	if (index < 0)
		return index;
	*result = describe_pool(context, (unsigned)index);
	return 0;
}

static int sidecore_list(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_array();
	for (unsigned i = 0; i < host->sidecore_count; i++)
		json_array_append_new(*result, describe_sidecore(host->sidecores[i]));
	return 0;
}

static int daemon_status(void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;

	*result = json_pack("{s:s, s:i, s:i, s:i, s:i}", "version", SLUICE_VERSION, "pid",
		(int)getpid(), "sidecores", (int)host->sidecore_count, "pools",
		(int)host->configuration->pools_count, "disks",
		(int)host->configuration->disks_count);
	json_object_set_new(*result, "cluster", describe_cluster(host));
	return 0;
}

static int reload(void *context, const json_t *params, json_t **result, struct error *error)
{
	int code = host_reload(context, error);

	if (code == 0)
		*result = json_true();
	return code;
}

static int configuration_show(
	void *context, const json_t *params, json_t **result, struct error *error)
{
	const struct host *host = context;
	size_t length;
	char *text;

	if (configuration_save(host->configuration, &text, &length) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	*result = json_stringn(text, length);
	free(text);
	return 0;
}

const struct rpc_method control_methods[] = {
	{"disk.list", disk_list},
	{"disk.show", disk_show},
	{"disk.add", disk_add},
	{"disk.remove", disk_remove},
	{"disk.set", disk_set},
	{"pool.list", pool_list},
	{"pool.show", pool_show},
	{"sidecore.list", sidecore_list},
	{"configuration.show", configuration_show},
	{"daemon.status", daemon_status},
	{"reload", reload},
	{0},
};
