#include "vmm/kvm_statistics.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NAME_BYTES_MAX 256u
#define DESCRIPTORS_MAX 1024u

/* Where one number is, and what it is called. */
struct kvm_number {
	uint64_t file_offset;
	char name[NAME_BYTES_MAX];
};

struct kvm_statistics {
	int file;
	unsigned count;
	struct kvm_number numbers[];
};

static int read_at(int file, void *buffer, size_t bytes, uint64_t offset)
{
	ssize_t count = pread(file, buffer, bytes, (off_t)offset);

	if (count < 0)
		return -errno;
	return (size_t)count == bytes ? 0 : -EPROTO;
}

/* A single value, not a histogram. */
static bool is_number(const struct kvm_stats_desc *descriptor)
{
	uint32_t type = descriptor->flags & KVM_STATS_TYPE_MASK;

	return descriptor->size == 1 && type <= KVM_STATS_TYPE_PEAK;
}

static int read_descriptor(const struct kvm_stats_header *header, int file, unsigned index,
	struct kvm_statistics *statistics)
{
	uint64_t bytes = sizeof(struct kvm_stats_desc) + header->name_size;
	struct kvm_number *number = &statistics->numbers[statistics->count];
	struct kvm_stats_desc descriptor;
	uint64_t offset = header->desc_offset + index * bytes;
	int result = read_at(file, &descriptor, sizeof descriptor, offset);

	if (result < 0)
		return result;
	result = read_at(file, number->name, header->name_size, offset + sizeof descriptor);
	if (result < 0)
		return result;
	if (!memchr(number->name, 0, header->name_size))
		return -EPROTO;
	if (!is_number(&descriptor))
		return 0;
	number->file_offset = (uint64_t)header->data_offset + descriptor.offset;
	statistics->count++;
	return 0;
}

static int read_descriptors(
	const struct kvm_stats_header *header, int file, struct kvm_statistics *statistics)
{
	for (unsigned i = 0; i < header->num_desc; i++) {
		int result = read_descriptor(header, file, i, statistics);

		if (result < 0)
			return result;
	}
	return 0;
}

static int check_header(const struct kvm_stats_header *header)
{
	if (header->name_size == 0 || header->name_size > NAME_BYTES_MAX ||
		header->num_desc > DESCRIPTORS_MAX)
		return -EPROTO;
	return 0;
}

int kvm_statistics_open_file(int file, struct kvm_statistics **statistics, struct error *error)
{
	struct kvm_stats_header header;
	struct kvm_statistics *new_one;
	int result = read_at(file, &header, sizeof header, 0);

	if (result == 0)
		result = check_header(&header);
	if (result < 0)
		return error_set(error, result, "KVM's statistics: their header is not understood");
	/* One more: the last name is read before it is known whether it counts. */
	new_one = calloc(1, sizeof *new_one + (header.num_desc + 1) * sizeof(struct kvm_number));
	if (!new_one)
		return error_set(error, -ENOMEM, "KVM's statistics: no memory");
	result = read_descriptors(&header, file, new_one);
	if (result < 0) {
		free(new_one);
		return error_set(error, result, "KVM's statistics: not as their header says");
	}
	new_one->file = file;
	*statistics = new_one;
	return 0;
}

int kvm_statistics_open(int fd, struct kvm_statistics **statistics, struct error *error)
{
	int file = ioctl(fd, KVM_GET_STATS_FD, NULL);
	int result;

	if (file < 0)
		return error_set(error, -errno, "KVM gives no statistics: %s", strerror(errno));
	result = kvm_statistics_open_file(file, statistics, error);
	if (result < 0)
		close(file);
	return result;
}

void kvm_statistics_close(struct kvm_statistics *statistics)
{
	if (!statistics)
		return;
	close(statistics->file);
	free(statistics);
}

int kvm_statistics_each(const struct kvm_statistics *statistics,
	void (*function)(void *argument, const char *name, uint64_t value), void *argument)
{
	for (unsigned i = 0; i < statistics->count; i++) {
		const struct kvm_number *number = &statistics->numbers[i];
		uint64_t value;
		int result = read_at(statistics->file, &value, sizeof value, number->file_offset);

		if (result < 0)
			return result;
		function(argument, number->name, value);
	}
	return 0;
}
