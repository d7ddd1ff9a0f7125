/* Any file as a kernel, with an initial RAM disk and a command line of any length: loaded within memory, or refused. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "script.h"
#include "vmm/boot/boot.h"
#include "vmm/layout.h"

#define MEMORY_BYTES ((uint64_t)8 << 20)
#define COMMAND_LINE_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of_size(const uint8_t *bytes, size_t size_bytes, size_t whole_bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size_bytes) != (ssize_t)size_bytes ||
		ftruncate(fd, (off_t)whole_bytes) < 0)
		abort();
	return fd;
}

static void load(const struct boot_config *config)
{
	const struct vm_memory_config memory_config = {
		.size_bytes = MEMORY_BYTES, .huge_pages = HUGE_PAGES_NEVER};
	struct boot_entry entry = {0};
	struct vm_memory memory;
	struct error error;

	if (vm_memory_create(&memory, &memory_config, NULL) < 0)
		abort();
	if (boot_load(&memory, config, &entry, &error) == 0 &&
		(!vm_memory_at(&memory, entry.eip, 1) || entry.eip < LAYOUT_KERNEL ||
			!entry.ebx == !entry.esi))
		abort();
	vm_memory_destroy(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char command_line[COMMAND_LINE_BYTES];
	struct script script = {.bytes = data, .left = size};
	size_t initrd_bytes = (size_t)next_u16(&script) << 8;
	size_t command_line_bytes = next_u16(&script) % COMMAND_LINE_BYTES;
	struct boot_config config = {
		.kernel_fd = file_of_size(script.bytes, script.left, script.left),
		.initrd_fd = initrd_bytes ? file_of_size(NULL, 0, initrd_bytes) : -1,
		.command_line = command_line,
		.vcpu_count = 1,
	};

	memset(command_line, 'x', command_line_bytes);
	command_line[command_line_bytes] = 0;
	load(&config);
	close(config.kernel_fd);
	if (config.initrd_fd >= 0)
		close(config.initrd_fd);
	return 0;
}
