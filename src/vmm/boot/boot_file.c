#include "vmm/boot/boot_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int boot_file_open(struct boot_file *file, int fd, const char *name, struct error *error)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(error, -errno, "%s: %s", name, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return error_set(error, -EINVAL, "%s: must be a regular file", name);
	*file = (struct boot_file){.fd = fd, .name = name, .size_bytes = (uint64_t)status.st_size};
	return 0;
}

int boot_file_read(const struct boot_file *file, uint64_t offset, void *bytes, uint64_t size_bytes,
	struct error *error)
{
	uint8_t *to = bytes;
	ssize_t count;

	if (offset > file->size_bytes || size_bytes > file->size_bytes - offset)
		return error_set(error, -ENOEXEC,
			"%s: is cut off: %" PRIu64 " bytes at %" PRIu64 " are not in the file; "
			"fetch it again",
			file->name, size_bytes, offset);
	while (size_bytes > 0) {
		count = pread(file->fd, to, size_bytes, (off_t)offset);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return error_set(error, -errno, "%s: %s", file->name, strerror(errno));
		if (count == 0)
			return error_set(error, -ENOEXEC, "%s: became shorter while it was read",
				file->name);
		to += count;
		offset += (uint64_t)count;
		size_bytes -= (uint64_t)count;
	}
	return 0;
}

int boot_file_place(const struct boot_file *file, uint64_t offset, const struct vm_memory *memory,
	uint64_t guest_address, uint64_t size_bytes, struct error *error)
{
	void *to = vm_memory_at(memory, guest_address, size_bytes);

	if (!to)
		return error_set(error, -EFBIG,
			"%s: %" PRIu64 " bytes at 0x%" PRIx64
			" are not in the guest's memory; give it "
			"more",
			file->name, size_bytes, guest_address);
	return boot_file_read(file, offset, to, size_bytes, error);
}
