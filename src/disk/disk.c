#include "disk/disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "disk/disk_private.h"
#include "disk/image.h"

/* ---- creating ---- */

static int check_config(
	const struct pool *pool, const struct disk_config *config, struct error *error)
{
	if (config->queue_count == 0 || config->queue_count > DISK_QUEUES_MAX)
		return error_set(error, -EINVAL, "%u queues; give it 1 to %u", config->queue_count,
			DISK_QUEUES_MAX);
	if (config->size_bytes % BLK_SECTOR_BYTES)
		return error_set(
			error, -EINVAL, "the size is not a multiple of %u bytes", BLK_SECTOR_BYTES);
	if (pool->member_count == POOL_MEMBERS_MAX)
		return error_set(error, -ENOSPC, "pool '%s' has %u disks and modules already",
			pool->config.name, POOL_MEMBERS_MAX);
	return slo_check(&config->slo, error);
}

static int open_backend(struct disk *disk, struct error *error)
{
	char path[PATH_MAX];
	const struct backend_options options = {
		.path = path,
		.size_bytes = disk->config.size_bytes,
		.is_read_only = disk->config.is_read_only,
		.use_page_cache = disk->pool->config.use_page_cache,
		.sidecore = disk->pool->sidecore,
	};
	int result;

	result = image_path(
		disk->pool->config.path, disk->config.image, disk->config.name, path, sizeof path);
	if (result < 0)
		return error_set(error, result, "the image's path is too long");
	result = disk->pool->config.backend->open(&options, &disk->backend, error);
	if (result < 0)
		return result;
	disk->size_bytes = disk->backend->size_bytes / BLK_SECTOR_BYTES * BLK_SECTOR_BYTES;
	return 0;
}

static int start_vhost(struct disk *disk, struct error *error)
{
	const struct vhost_user_backend_config config = {
		.kind = "disk",
		.name = disk->config.name,
		.socket_path = disk->config.socket_fd < 0 ? disk->config.socket_path : NULL,
		.fd = disk->config.socket_fd,
		.ended = disk->config.ended,
		.queue_count = disk->config.queue_count,
		.operations = &disk_operations,
		.device = disk,
	};
	int result = vhost_user_backend_start(&config, &disk->vhost, error);

	if (result < 0)
		return result;
	served_device_report_to(&disk->served, vhost_user_trouble_fd(disk->vhost));
	return 0;
}

static void set_up(struct disk *disk, struct pool *pool, const struct disk_config *config)
{
	disk->config = *config;
	disk->pool = pool;
	served_device_init(&disk->served, pool->sidecore);
	if (!disk->config.serial[0])
		snprintf(disk->config.serial, sizeof disk->config.serial, "%.*s", DISK_SERIAL_BYTES,
			config->name);
}

int disk_create(struct pool *pool, const struct disk_config *config, struct disk **disk,
	struct error *error)
{
	struct disk *new_one = calloc(1, sizeof *new_one);
	int result = -ENOMEM;

	if (!new_one) {
		error_set(error, result, "no memory");
		goto fail_memory;
	}
	set_up(new_one, pool, config);
	result = check_config(pool, config, error);
	if (result < 0)
		goto fail_check;
	result = pool_join(pool, &new_one->member, &new_one->config.slo, error);
	if (result < 0)
		goto fail_check;
	result = open_backend(new_one, error);
	if (result < 0)
		goto fail_backend;
	result = start_vhost(new_one, error);
	if (result < 0)
		goto fail_vhost;
	*disk = new_one;
	return 0;

fail_vhost:
	new_one->backend->ops->close(new_one->backend);
fail_backend:
	pool_leave(&new_one->member);
fail_check:
	free(new_one);
fail_memory:
	return error_prefix(error, result, "disk '%s': ", config->name);
}

/* ---- destroying ---- */

/* Let nobody in any more, and wait for what is in flight. Returns 0 or -ETIMEDOUT. */
static int stop_serving(struct disk *disk, int timeout_ms)
{
	disk->is_leaving = true;
	served_device_release(&disk->served);
	return vhost_user_backend_stop(disk->vhost, timeout_ms);
}

static void free_disk(struct disk *disk)
{
	pool_leave(&disk->member);
	disk->backend->ops->close(disk->backend);
	free(disk);
}

void disk_destroy(struct disk *disk)
{
	stop_serving(disk, -1);
	free_disk(disk);
}

int disk_try_destroy(struct disk *disk, int timeout_ms, struct error *error)
{
	if (stop_serving(disk, timeout_ms) == 0) {
		free_disk(disk);
		return 0;
	}
	return error_set(error, -EBUSY,
		"disk '%s': %llu request(s) still on the device; its guest is disconnected, "
		"remove it again when the device answers",
		disk->config.name, (unsigned long long)counter_get(&disk->in_flight));
}

/* ---- changing ---- */

struct resize {
	struct disk *disk;
	uint64_t size_bytes;
};

static void set_size(void *argument)
{
	struct resize *resize = argument;

	counter_set(&resize->disk->size_bytes, resize->size_bytes);
}

int disk_resize(struct disk *disk, uint64_t size_bytes, struct error *error)
{
	struct backend *backend = disk->backend;
	struct resize resize = {.disk = disk};
	int result = -EOPNOTSUPP;

	if (size_bytes % BLK_SECTOR_BYTES)
		return error_set(error, -EINVAL,
			"disk '%s': the size is not a multiple of %u bytes", disk->config.name,
			BLK_SECTOR_BYTES);
	if (backend->ops->refresh_size)
		result = backend->ops->refresh_size(backend, size_bytes, error);
	else
		error_set(error, result, "a disk on the '%s' back end cannot be resized",
			backend->ops->name);
	if (result < 0)
		return error_prefix(error, result, "disk '%s': ", disk->config.name);
	resize.size_bytes = backend->size_bytes / BLK_SECTOR_BYTES * BLK_SECTOR_BYTES;
	sidecore_call(disk->pool->sidecore, set_size, &resize);
	disk->config.size_bytes = resize.size_bytes;
	vhost_user_config_changed(disk->vhost);
	return 0;
}

int disk_set_slo(struct disk *disk, const struct slo *slo, struct error *error)
{
	int result = pool_member_set_slo(&disk->member, slo, error);

	return result < 0 ? error_prefix(error, result, "disk '%s': ", disk->config.name) : 0;
}

/* ---- looking ---- */

const struct disk_config *disk_config(const struct disk *disk)
{
	return &disk->config;
}

struct pool *disk_pool(const struct disk *disk)
{
	return disk->pool;
}

void disk_image(const struct disk *disk, char *path, size_t size)
{
	const struct pool_config *pool = &disk->pool->config;

	*path = '\0';
	if (pool->backend == backend_find("file"))
		image_path(pool->path, disk->config.image, disk->config.name, path, size);
}

void disk_statistics(const struct disk *disk, struct disk_statistics *statistics)
{
	uint64_t connections = counter_get(&disk->connections);

	*statistics = (struct disk_statistics){
		.is_connected = __atomic_load_n(&disk->is_connected, __ATOMIC_RELAXED),
		.is_leaving = disk->is_leaving,
		.is_broken = __atomic_load_n(&disk->served.is_broken, __ATOMIC_RELAXED),
		.is_direct = disk->backend->is_direct,
		.size_bytes = counter_get(&disk->size_bytes),
		.reads = counter_get(&disk->reads),
		.writes = counter_get(&disk->writes),
		.flushes = counter_get(&disk->flushes),
		.discards = counter_get(&disk->discards),
		.write_zeroes = counter_get(&disk->write_zeroes),
		.read_bytes = counter_get(&disk->read_bytes),
		.write_bytes = counter_get(&disk->write_bytes),
		.errors = counter_get(&disk->errors),
		.in_flight = counter_get(&disk->in_flight),
		.reconnects = connections ? connections - 1 : 0,
	};
}

const struct tier_audit *disk_audit(const struct disk *disk, unsigned tier)
{
	return flow_audit(disk->member.flow, tier);
}
