#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "offload/channel/channel_private.h"

#define PAGE 4096u

static uint32_t up_to_page(uint32_t bytes)
{
	return (bytes + PAGE - 1) / PAGE * PAGE;
}

/* ---- what is where ---- */

static struct sluice_channel_layout plan(const struct channel_server_config *config, bool is_own)
{
	struct sluice_channel_layout layout = {
		.version = SLUICE_CHANNEL_VERSION,
		.slot_count = config->connections_max,
		.slots_offset = up_to_page(sizeof(struct sluice_channel_header)),
		.request_ring_offset = up_to_page(sizeof(struct sluice_channel_slot)),
		.request_ring_bytes = config->request_ring_bytes,
		.reply_ring_bytes = config->reply_ring_bytes,
		.message_bytes_max = config->message_bytes_max,
		/* A guest has CPUs, and numbers of them, of its own. */
		.host_cpu = is_own ? (uint32_t)(sidecore_cpu(config->sidecore) + 1) : 0,
	};

	layout.reply_ring_offset = layout.request_ring_offset + layout.request_ring_bytes;
	layout.slot_stride = layout.reply_ring_offset + layout.reply_ring_bytes;
	layout.region_bytes = channel_region_bytes(config);
	snprintf(layout.name, sizeof layout.name, "%s", config->name);
	return layout;
}

size_t channel_region_bytes(const struct channel_server_config *config)
{
	const size_t slot_bytes = up_to_page(sizeof(struct sluice_channel_slot)) +
				  (size_t)config->request_ring_bytes + config->reply_ring_bytes;
	const size_t needed = up_to_page(sizeof(struct sluice_channel_header)) +
			      config->connections_max * slot_bytes;
	size_t bytes = PAGE;

	while (bytes < needed)
		bytes *= 2;
	return bytes;
}

struct sluice_channel_header *channel_memory_header(const struct channel_memory *region)
{
	return (void *)region->memory;
}

struct sluice_channel_slot *channel_memory_slot(const struct channel_memory *region, unsigned index)
{
	return (void *)(region->memory + region->layout.slots_offset +
			(size_t)index * region->layout.slot_stride);
}

/* ---- files ---- */

static int size_file(int fd, const char *path, size_t bytes, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(error, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (status.st_size == (off_t)bytes)
		return 0;
	if (status.st_size != 0)
		return error_set(error, -EEXIST,
			"%s is there already and has %lld bytes, where the channel needs %zu; stop "
			"the "
			"VM and remove it, or choose the sizes that it was made with",
			path, (long long)status.st_size, bytes);
	if (ftruncate(fd, (off_t)bytes) < 0)
		return error_set(error, -errno, "cannot give %s %zu bytes: %s", path, bytes,
			strerror(errno));
	return 0;
}

/* Made or found is decided by the kernel: in /dev/shm, somebody else may have been faster. */
static int open_or_create(const char *path, bool *is_new)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

	*is_new = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

int channel_region_open(const char *path, const struct channel_server_config *config, bool *is_new,
	struct error *error)
{
	int fd = open_or_create(path, is_new);
	int result;

	if (fd < 0)
		return error_set(error, -errno,
			"cannot make %s: %s; its directory must be there, best below /dev/shm",
			path, strerror(errno));
	result = size_file(fd, path, channel_region_bytes(config), error);
	if (result < 0) {
		close(fd);
		return result;
	}
	return fd;
}

/* Its size is sealed: who maps it cannot be hit by SIGBUS. */
static int make_memfd(const char *name, size_t bytes, struct error *error)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int result;

	if (fd < 0)
		return error_set(
			error, -errno, "channel '%s': no memory: %s", name, strerror(errno));
	if (ftruncate(fd, (off_t)bytes) == 0 &&
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	result = error_set(error, -errno, "channel '%s': no memory of %zu bytes: %s", name, bytes,
		strerror(errno));
	close(fd);
	return result;
}

/* ---- preparing ---- */

/* Clients that are there from earlier find that they are not served, then what is new, then what names it. */
static void write_header(struct channel_memory *region)
{
	struct sluice_channel_header *header = channel_memory_header(region);
	struct sluice_channel_slot *slot;

	write_shared(header->host.host_epoch, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < region->layout.slot_count; i++) {
		slot = channel_memory_slot(region, i);
		write_shared(slot->client.claim, 0);
		write_shared(slot->host.epoch, 0);
		write_shared(slot->host.sleeps, 0);
		write_shared(slot->host.state, SLUICE_CHANNEL_SLOT_FREE);
	}
	header->layout = region->layout;
	write_shared_release(header->layout.magic, SLUICE_CHANNEL_MAGIC);
}

int channel_memory_prepare(struct channel_memory *region,
	const struct channel_server_config *config, struct error *error)
{
	struct stat status;
	int result;

	region->is_own = config->region_fd < 0;
	region->layout = plan(config, region->is_own);
	region->bytes = region->layout.region_bytes;
	region->fd =
		region->is_own ? make_memfd(config->name, region->bytes, error) : config->region_fd;
	if (region->fd < 0)
		return region->fd;
	result = fstat(region->fd, &status) < 0 ? -errno : 0;
	if (result == 0 && status.st_size != (off_t)region->bytes)
		result = -EINVAL;
	if (result == 0) {
		region->memory = mmap(
			NULL, region->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
		if (region->memory == MAP_FAILED)
			result = -errno;
	}
	if (result < 0) {
		error_set(error, result, "channel '%s': cannot map its region: %s", config->name,
			strerror(-result));
		if (region->is_own)
			close(region->fd);
		return result;
	}
	write_header(region);
	return 0;
}

void channel_memory_drop(struct channel_memory *region)
{
	munmap(region->memory, region->bytes);
	if (region->is_own)
		close(region->fd);
}
