/*
 * Theory of operation. The region is BAR 2 of an ivshmem device, mapped through sysfs. One process has it at a time: it holds a lock
 * on the file, and says by a new client epoch that all connections of an earlier one are over. A slot that the host shows free
 * is claimed by writing its next epoch; the host answers by that epoch and its state. There is no interrupt, so who waits naps.
 *
 * The host is rung by a register of BAR 0, if the region's header says so: that is read each time, as the device's other end comes and
 * goes with the host. Without a doorbell, or without a right to that register, the host finds by itself what there is, later.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "channel_private.h"

#define NAP_NS_FIRST 20000u
#define NAP_DOUBLINGS_MAX 6u /* to about a millisecond */
#define NAP_NS_MAX 1000000u
#define ANSWER_WAIT_NS 2000000000u /* for a host that lives, to answer a claim */

static void take_nap(unsigned nap)
{
	const long ns = NAP_NS_FIRST << (nap < NAP_DOUBLINGS_MAX ? nap : NAP_DOUBLINGS_MAX);
	const struct timespec time = {.tv_nsec = ns < NAP_NS_MAX ? ns : NAP_NS_MAX};

	nanosleep(&time, NULL);
}

/* Wait, in naps, until `is_true`. Returns false if it does not become so. */
static bool nap_until(bool (*is_true)(void *argument), void *argument)
{
	uint64_t waited_ns = 0;

	for (unsigned nap = 0; !is_true(argument); nap++) {
		if (waited_ns >= ANSWER_WAIT_NS)
			return false;
		take_nap(nap);
		waited_ns += nap < NAP_DOUBLINGS_MAX ? NAP_NS_FIRST << nap : NAP_NS_MAX;
	}
	return true;
}

/* ---- the device's files ---- */

static int open_file(const char *directory, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool has_number(const char *directory, const char *name, unsigned long number)
{
	int fd = open_file(directory, name, O_RDONLY);
	char text[16] = "";
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	return length > 0 && strtoul(text, NULL, 16) == number;
}

static bool is_channel_device(const char *directory)
{
	return has_number(directory, "vendor", SLUICE_CHANNEL_PCI_VENDOR) &&
	       has_number(directory, "device", SLUICE_CHANNEL_PCI_DEVICE);
}

/* Without a driver, nobody has told the device to answer to its addresses. */
static void enable_device(const char *directory)
{
	int fd = open_file(directory, "enable", O_WRONLY);

	if (fd < 0)
		return;
	/* Firmware may have done it; if not, mapping or the region's header will show it. */
	if (write(fd, "1", 1) < 0)
		errno = 0;
	close(fd);
}

/* Registers may begin anywhere in the page that is mapped: the first line says where BAR 0 is. */
static size_t offset_in_page(const char *directory)
{
	int fd = open_file(directory, "resource", O_RDONLY);
	char text[32] = "";
	ssize_t length;

	if (fd < 0)
		return 0;
	length = read(fd, text, sizeof text - 1);
	close(fd);
	return length > 0 ? strtoull(text, NULL, 16) % (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void map_doorbell(struct channel *channel, const char *directory)
{
	const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	const size_t offset = offset_in_page(directory) + SLUICE_CHANNEL_PCI_DOORBELL_OFFSET;
	int fd = open_file(directory, "resource0", O_RDWR);
	uint8_t *memory;

	if (fd < 0)
		return;
	memory = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return;
	madvise(memory, page_bytes, MADV_DONTFORK);
	channel->registers_page = memory;
	if (offset % sizeof *channel->doorbell == 0 && offset < page_bytes)
		channel->doorbell = (void *)(memory + offset);
}

/* ---- the doorbell ---- */

static bool ring_register(struct channel *channel)
{
	const struct sluice_channel_header *header = channel_region_header(&channel->device);
	const uint32_t doorbell = read_shared(header->layout.doorbell);

	if (!channel->doorbell || !doorbell)
		return false;
	*channel->doorbell = doorbell;
	return true;
}

static bool ring_for_connection(struct channel_connection *connection)
{
	return ring_register(connection->channel);
}

static bool sleep_a_while(struct channel_connection *connection, unsigned nap)
{
	take_nap(nap);
	return true;
}

/* ---- connections ---- */

/* What is behind the device may be other memory by now, which has not seen this client. */
static void show_client_again(struct channel *channel)
{
	struct sluice_channel_header *header = channel_region_header(&channel->device);

	if (read_shared(header->client.client_epoch) == channel->client_epoch)
		return;
	write_shared_release(header->client.client_epoch, channel->client_epoch);
	ring_register(channel);
}

static bool is_served(void *argument)
{
	const struct channel *channel = argument;
	const struct sluice_channel_header *header = channel_region_header(&channel->device);

	return read_shared_acquire(header->host.client_epoch_seen) == channel->client_epoch &&
	       read_shared_acquire(header->host.host_epoch) != 0;
}

struct slot_search {
	struct channel *channel;
	struct channel_connection *connection;
	bool all_taken; /* by this process */
};

/* A slot that is not taken and not free is one that the host lets go of just now. */
static bool take_slot(void *argument)
{
	struct slot_search *search = argument;
	struct channel *channel = search->channel;
	struct sluice_channel_slot *slot;
	bool is_found = false;

	search->all_taken = true;
	pthread_mutex_lock(&channel->lock);
	for (uint32_t i = 0; i < channel->device.layout.slot_count && !is_found; i++) {
		slot = channel_region_slot(&channel->device, i);
		if (channel->taken[i])
			continue;
		search->all_taken = false;
		if (read_shared_acquire(slot->host.state) != SLUICE_CHANNEL_SLOT_FREE)
			continue;
		channel->taken[i] = 1;
		search->connection->slot = slot;
		search->connection->slot_index = i;
		is_found = true;
	}
	pthread_mutex_unlock(&channel->lock);
	return is_found || search->all_taken;
}

/* The other lines are the host's to clear when it opens the slot. */
static void write_claim(struct channel *channel, struct sluice_channel_slot *slot, uint32_t claim)
{
	struct sluice_channel_header *header = channel_region_header(&channel->device);

	write_shared_release(slot->client.claim, claim);
	__atomic_fetch_add(&header->client.claims, 1, __ATOMIC_SEQ_CST);
	ring_register(channel);
}

static bool is_answered(void *argument)
{
	const struct channel_connection *connection = argument;

	return read_shared_acquire(connection->slot->host.epoch) == connection->slot_epoch ||
	       read_shared(connection->header->host.host_epoch) != connection->host_epoch;
}

static void leave_slot(struct channel *channel, struct channel_connection *connection)
{
	write_claim(channel, connection->slot, 0);
	pthread_mutex_lock(&channel->lock);
	channel->taken[connection->slot_index] = 0;
	pthread_mutex_unlock(&channel->lock);
}

static int claim_slot(struct channel *channel, struct channel_connection *connection)
{
	const uint32_t epoch = read_shared_acquire(connection->slot->host.epoch);

	connection->slot_epoch = sluice_channel_next_epoch(epoch);
	write_claim(channel, connection->slot, connection->slot_epoch);
	if (nap_until(is_answered, connection) && !channel_is_lost(connection))
		return 0;
	leave_slot(channel, connection);
	return -ECONNREFUSED;
}

static int connect_device(struct channel *channel, struct channel_connection *connection)
{
	struct slot_search search = {.channel = channel, .connection = connection};

	connection->region = &channel->device;
	connection->header = channel_region_header(&channel->device);
	show_client_again(channel);
	if (!nap_until(is_served, channel))
		return -ECONNREFUSED;
	connection->host_epoch = read_shared(connection->header->host.host_epoch);
	if (!nap_until(take_slot, &search) || !connection->slot)
		return -EAGAIN;
	return claim_slot(channel, connection);
}

static void close_device(struct channel *channel)
{
	if (channel->registers_page)
		munmap(channel->registers_page, (size_t)sysconf(_SC_PAGESIZE));
	if (channel->device.memory)
		channel_region_unmap(&channel->device);
	if (channel->device_fd >= 0)
		close(channel->device_fd);
	free(channel->taken);
}

static const struct channel_transport pci_transport = {
	.is_from_guest = true,
	.connect = connect_device,
	.disconnect = leave_slot,
	.ring_doorbell = ring_for_connection,
	.sleep = sleep_a_while,
	.close = close_device,
};

/* ---- opening ---- */

/* Another epoch than the host has seen, and than the last client had. */
static void write_client_epoch(struct channel *channel)
{
	struct sluice_channel_header *header = channel_region_header(&channel->device);
	uint32_t epoch = sluice_channel_next_epoch(read_shared(header->client.client_epoch));

	if (epoch == read_shared(header->host.client_epoch_seen))
		epoch = sluice_channel_next_epoch(epoch);
	channel->client_epoch = epoch;
	write_shared_release(header->client.client_epoch, epoch);
	ring_register(channel);
}

static int take_device(
	struct channel *channel, const char *directory, const struct channel_message *message)
{
	int result;

	enable_device(directory);
	channel->device_fd = open_file(directory, "resource2", O_RDWR);
	if (channel->device_fd < 0)
		return channel_fail(message, channel->device_fd,
			"cannot open %s/resource2: %s; run as a user who may write it", directory,
			strerror(-channel->device_fd));
	if (flock(channel->device_fd, LOCK_EX | LOCK_NB) < 0)
		return channel_fail(message, errno == EWOULDBLOCK ? -EBUSY : -errno,
			"another process has the channel %s; stop it, or use another device",
			directory);
	result = channel_region_map(&channel->device, channel->device_fd, message);
	if (result < 0)
		return result;
	channel->taken = calloc(channel->device.layout.slot_count, 1);
	if (!channel->taken)
		return channel_fail(message, -ENOMEM, "no memory");
	channel->message_bytes_max = channel->device.layout.message_bytes_max;
	map_doorbell(channel, directory);
	write_client_epoch(channel);
	return 0;
}

static int open_device(
	struct channel **channel, const char *directory, const struct channel_message *message)
{
	struct channel *new_one = channel_new(&pci_transport);
	int result;

	if (!new_one)
		return channel_fail(message, -ENOMEM, "no memory");
	result = take_device(new_one, directory, message);
	if (result < 0) {
		channel_close(new_one);
		return result;
	}
	*channel = new_one;
	return 0;
}

/* Devices may share memory with others than modules: those are passed over. */
static int open_first(
	struct channel **channel, const char *root, const struct channel_message *message)
{
	char directory[PATH_MAX];
	struct dirent **entries;
	int count = scandir(root, &entries, NULL, alphasort);
	int result = -ENODEV;

	for (int i = 0; i < count; i++) {
		snprintf(directory, sizeof directory, "%s/%s", root, entries[i]->d_name);
		free(entries[i]);
		if ((result != -ENODEV && result != -EPROTO && result != -ECONNREFUSED) ||
			!is_channel_device(directory))
			continue;
		result = open_device(channel, directory, message);
	}
	if (count >= 0)
		free(entries);
	if (result == -ENODEV)
		channel_fail(message, result,
			"this machine has no ivshmem device; give it one whose memory is a "
			"module's channel");
	return result;
}

int channel_pci_open(struct channel **channel, const char *root, const char *address,
	const struct channel_message *message)
{
	char directory[PATH_MAX];

	if (!address)
		return open_first(channel, root, message);
	if (strchr(address, '/') || address[0] == '.')
		return channel_fail(message, -EINVAL, "'%s' is no PCI address", address);
	snprintf(directory, sizeof directory, "%s/%s", root, address);
	if (!is_channel_device(directory))
		return channel_fail(message, -ENODEV,
			"there is no ivshmem device at %s; lspci -d 1af4:1110 shows which there "
			"are",
			address);
	return open_device(channel, directory, message);
}
