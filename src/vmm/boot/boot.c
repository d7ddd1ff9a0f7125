#include "vmm/boot/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/acpi.h"
#include "vmm/boot/kernel_format.h"
#include "vmm/boot/segments.h"
#include "vmm/devices/power_registers.h"
#include "vmm/layout.h"

#define PAGE_BYTES 4096ull

static const struct kernel_format *const formats[] = {&bzimage_format, &elf_pvh_format};

static int open_kernel(struct kernel *kernel, int fd, struct error *error)
{
	uint64_t head_bytes = KERNEL_HEAD_BYTES;
	int result = boot_file_open(&kernel->file, fd, "kernel", error);

	if (result < 0)
		return result;
	if (head_bytes > kernel->file.size_bytes)
		head_bytes = kernel->file.size_bytes;
	return boot_file_read(&kernel->file, 0, kernel->head, head_bytes, error);
}

static int find_format(
	const struct kernel *kernel, const struct kernel_format **format, struct error *error)
{
	for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++)
		if (formats[i]->is_it(kernel)) {
			*format = formats[i];
			return 0;
		}
	return error_set(error, -ENOEXEC,
		"%s: is neither a bzImage nor an ELF file, so no kernel; Debian's are "
		"/boot/vmlinuz-VERSION",
		kernel->file.name);
}

/* As high as the kernel takes it, and out of the way of its unpacking. */
static int place_initrd(const struct kernel *kernel, const struct vm_memory *memory, int fd,
	struct boot_facts *facts, struct error *error)
{
	uint64_t end = memory->regions[0].size_bytes, address;
	struct boot_file file;
	int result;

	if (fd < 0)
		return 0;
	result = boot_file_open(&file, fd, "initial RAM disk", error);
	if (result < 0)
		return result;
	if (end > kernel->initrd_end_max)
		end = kernel->initrd_end_max;
	address = (end - file.size_bytes) & -PAGE_BYTES;
	if (file.size_bytes > end || address < kernel->end)
		return error_set(error, -EFBIG,
			"initial RAM disk: its %" PRIu64
			" bytes do not fit between the kernel, which "
			"takes memory up to 0x%" PRIx64 ", and 0x%" PRIx64
			"; give the guest more memory",
			file.size_bytes, kernel->end, end);
	facts->initrd = (uint32_t)address;
	facts->initrd_bytes = (uint32_t)file.size_bytes;
	return boot_file_place(&file, 0, memory, address, file.size_bytes, error);
}

static int place_command_line(const struct kernel *kernel, const struct vm_memory *memory,
	const char *command_line, struct error *error)
{
	size_t size_bytes = strlen(command_line) + 1;

	if (size_bytes > kernel->command_line_bytes_max)
		return error_set(error, -E2BIG,
			"the kernel's command line has %zu characters; this kernel takes %u at "
			"most",
			size_bytes - 1, kernel->command_line_bytes_max - 1);
	memcpy(vm_memory_at(memory, LAYOUT_COMMAND_LINE, size_bytes), command_line, size_bytes);
	return 0;
}

static void place_segments(const struct vm_memory *memory)
{
	memcpy(vm_memory_at(memory, LAYOUT_GDT, sizeof segment_descriptors), segment_descriptors,
		sizeof segment_descriptors);
}

/*
 * Code for real mode that resets the machine. A kernel that wants a reset as a last resort jumps to the BIOS; Linux
 * does it first on a hardware-reduced machine without EFI, before the reset register.
 */
static void place_reset_code(const struct vm_memory *memory)
{
	static const uint8_t code[] = {
		0xba, (LAYOUT_PORT_POWER + POWER_RESET) & 0xff, /* mov dx, the reset register */
		(LAYOUT_PORT_POWER + POWER_RESET) >> 8,		/* */
		0xb0, POWER_RESET_VALUE,			/* mov al, its value */
		0xee,						/* out dx, al */
		0xf4,						/* halt: hlt */
		0xeb, 0xfd,					/* jmp halt */
	};

	memcpy(vm_memory_at(memory, LAYOUT_RESET_VECTOR, sizeof code), code, sizeof code);
}

static int load(struct kernel *kernel, const struct vm_memory *memory,
	const struct boot_config *config, struct boot_entry *entry, struct error *error)
{
	struct boot_facts facts = {.command_line = LAYOUT_COMMAND_LINE, .acpi = LAYOUT_ACPI};
	const struct kernel_format *format;
	int result;

	result = find_format(kernel, &format, error);
	if (result == 0)
		result = format->load(kernel, memory, error);
	if (result == 0)
		result = place_initrd(kernel, memory, config->initrd_fd, &facts, error);
	if (result == 0)
		result = place_command_line(kernel, memory, config->command_line, error);
	if (result < 0)
		return result;
	memory_map_describe(memory, &facts.map);
	place_segments(memory);
	place_reset_code(memory);
	acpi_place_tables(memory, config->vcpu_count);
	format->tell(kernel, memory, &facts, entry);
	return 0;
}

int boot_load(const struct vm_memory *memory, const struct boot_config *config,
	struct boot_entry *entry, struct error *error)
{
	struct kernel kernel = {0};
	int result = open_kernel(&kernel, config->kernel_fd, error);

	if (result < 0)
		return result;
	return load(&kernel, memory, config, entry, error);
}
