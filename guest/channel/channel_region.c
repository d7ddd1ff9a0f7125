/*
 * Theory of operation. What the header says is read once into a copy, which is checked and used from then on: whatever becomes of
 * the header, nothing here reaches beyond what is mapped.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "channel_private.h"

static bool is_ring(uint32_t offset, uint32_t bytes, uint32_t stride)
{
	return bytes >= SLUICE_CHANNEL_RING_BYTES_MIN && bytes <= SLUICE_CHANNEL_RING_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0 && offset % SLUICE_CHANNEL_LINE_BYTES == 0 &&
	       offset >= sizeof(struct sluice_channel_slot) && (uint64_t)offset + bytes <= stride;
}

static bool makes_sense(const struct sluice_channel_layout *layout, size_t mapped_bytes)
{
	if (layout->slot_count == 0 || layout->slot_count > SLUICE_CHANNEL_SLOTS_MAX ||
		layout->slots_offset < sizeof(struct sluice_channel_header) ||
		layout->slots_offset % SLUICE_CHANNEL_LINE_BYTES != 0 ||
		layout->slot_stride % SLUICE_CHANNEL_LINE_BYTES != 0 ||
		layout->message_bytes_max == 0)
		return false;
	if (layout->slots_offset + (uint64_t)layout->slot_count * layout->slot_stride >
		mapped_bytes)
		return false;
	return is_ring(layout->request_ring_offset, layout->request_ring_bytes,
		       layout->slot_stride) &&
	       is_ring(layout->reply_ring_offset, layout->reply_ring_bytes, layout->slot_stride);
}

static int check(const struct sluice_channel_layout *layout, size_t mapped_bytes,
	const struct channel_message *message)
{
	if (layout->magic == 0)
		return channel_fail(message, -ECONNREFUSED,
			"no module serves this channel yet; start the module's host");
	if (layout->magic != SLUICE_CHANNEL_MAGIC)
		return channel_fail(message, -EPROTO,
			"this memory is no module channel; check which device or socket it is");
	if (layout->version != SLUICE_CHANNEL_VERSION)
		return channel_fail(message, -EPROTONOSUPPORT,
			"the channel has version %u, this client knows %u; install a client of the "
			"host's version",
			layout->version, SLUICE_CHANNEL_VERSION);
	if (!makes_sense(layout, mapped_bytes))
		return channel_fail(message, -EPROTO,
			"the channel's header contradicts itself, or is of a larger region than "
			"the %zu bytes here; give the device the size that the module's host says",
			mapped_bytes);
	return 0;
}

int channel_region_map(struct channel_region *region, int fd, const struct channel_message *message)
{
	struct stat status;
	void *memory;
	int result;

	if (fstat(fd, &status) < 0)
		return channel_fail(
			message, -errno, "cannot ask for the channel's size: %s", strerror(errno));
	if ((size_t)status.st_size < sizeof(struct sluice_channel_header))
		return channel_fail(message, -EPROTO, "the channel's memory is too small");
	memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return channel_fail(message, -errno, "cannot map the channel: %s", strerror(errno));
	*region = (struct channel_region){.memory = memory,
		.bytes = (size_t)status.st_size,
		.device = status.st_dev,
		.inode = status.st_ino};
	/* A child of fork is another client, and would write into its parent's connections. */
	madvise(memory, region->bytes, MADV_DONTFORK);
	region->layout = channel_region_header(region)->layout;
	region->layout.magic = read_shared_acquire(channel_region_header(region)->layout.magic);
	region->layout.name[SLUICE_CHANNEL_NAME_BYTES - 1] = '\0';
	result = check(&region->layout, region->bytes, message);
	if (result < 0)
		channel_region_unmap(region);
	return result;
}

void channel_region_unmap(struct channel_region *region)
{
	munmap(region->memory, region->bytes);
	region->memory = NULL;
}

struct sluice_channel_header *channel_region_header(const struct channel_region *region)
{
	return (void *)region->memory;
}

struct sluice_channel_slot *channel_region_slot(const struct channel_region *region, uint32_t index)
{
	return (void *)(region->memory + region->layout.slots_offset +
			(size_t)index * region->layout.slot_stride);
}
