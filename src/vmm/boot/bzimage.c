/*
 * Linux's boot protocol (Documentation/arch/x86/boot.rst), by the 32-bit entry. The setup code of real mode
 * stays in the file: what it would find out is known here.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "vmm/boot/kernel_format.h"
#include "vmm/layout.h"

#define SECTOR_BYTES 512u
#define HEADER_OFFSET 0x1f1u
#define HEADER_LENGTH_AT 0x201u /* a byte: how many of the header follow its magic number's place */
#define HEADER_LENGTH_FROM 0x202u
#define BOOT_FLAG 0xaa55u
#define MAGIC 0x53726448u /* HdrS */
#define VERSION_MIN 0x0206u
#define VERSION_WITH_INIT_SIZE 0x020au
#define SETUP_SECTORS_DEFAULT 4u /* of old kernels, which say 0 */
#define LOADER_UNDEFINED 0xffu

_Static_assert(HEADER_OFFSET + sizeof(struct setup_header) <= KERNEL_HEAD_BYTES, "in the head");
_Static_assert(offsetof(struct boot_params, hdr) == HEADER_OFFSET, "as in the file");

/* As much of it as the kernel has; what later versions have added is 0. */
static struct setup_header read_header(const struct kernel *kernel)
{
	struct setup_header header = {0};
	size_t size_bytes = HEADER_LENGTH_FROM - HEADER_OFFSET + kernel->head[HEADER_LENGTH_AT];

	if (size_bytes > sizeof header)
		size_bytes = sizeof header;
	memcpy(&header, kernel->head + HEADER_OFFSET, size_bytes);
	return header;
}

static bool is_it(const struct kernel *kernel)
{
	struct setup_header header = read_header(kernel);

	return header.boot_flag == BOOT_FLAG && header.header == MAGIC;
}

static int check_version(
	const struct kernel *kernel, const struct setup_header *header, struct error *error)
{
	if (header->version < VERSION_MIN || !(header->loadflags & LOADED_HIGH))
		return error_set(error, -ENOEXEC,
			"%s: speaks version %u.%02u of Linux's boot protocol; 2.06 and a bzImage "
			"are "
			"needed (Linux 2.6.22)",
			kernel->file.name, header->version >> 8, header->version & 0xffu);
	return 0;
}

/* Where it ends once it has unpacked itself. */
static int find_end(struct kernel *kernel, const struct setup_header *header, struct error *error)
{
	uint64_t start =
		header->pref_address > LAYOUT_KERNEL ? header->pref_address : LAYOUT_KERNEL;

	if (header->version < VERSION_WITH_INIT_SIZE)
		return 0;
	if (start > LAYOUT_LOW_RAM_END)
		return error_set(error, -ENOEXEC,
			"%s: wants to be at 0x%" PRIx64 ", where there is no memory",
			kernel->file.name, start);
	if (kernel->end < start + header->init_size)
		kernel->end = start + header->init_size;
	return 0;
}

static int load(struct kernel *kernel, const struct vm_memory *memory, struct error *error)
{
	struct setup_header header = read_header(kernel);
	uint64_t sectors = header.setup_sects ? header.setup_sects : SETUP_SECTORS_DEFAULT;
	uint64_t offset = (sectors + 1) * SECTOR_BYTES;
	int result = check_version(kernel, &header, error);

	if (result < 0)
		return result;
	if (offset >= kernel->file.size_bytes)
		return error_set(
			error, -ENOEXEC, "%s: is cut off; fetch it again", kernel->file.name);
	kernel->entry = LAYOUT_KERNEL;
	kernel->end = LAYOUT_KERNEL + kernel->file.size_bytes - offset;
	kernel->initrd_end_max = (uint64_t)header.initrd_addr_max + 1;
	kernel->command_line_bytes_max = LAYOUT_COMMAND_LINE_BYTES_MAX;
	if (header.cmdline_size < LAYOUT_COMMAND_LINE_BYTES_MAX)
		kernel->command_line_bytes_max = header.cmdline_size + 1;
	result = find_end(kernel, &header, error);
	if (result < 0)
		return result;
	return boot_file_place(&kernel->file, offset, memory, LAYOUT_KERNEL,
		kernel->file.size_bytes - offset, error);
}

static void tell_memory_map(struct boot_params *parameters, const struct memory_map *map)
{
	parameters->e820_entries = (uint8_t)map->count;
	for (unsigned i = 0; i < map->count; i++)
		parameters->e820_table[i] = (struct boot_e820_entry){
			.addr = map->entries[i].address,
			.size = map->entries[i].size_bytes,
			.type = map->entries[i].type,
		};
}

static void tell(const struct kernel *kernel, const struct vm_memory *memory,
	const struct boot_facts *facts, struct boot_entry *entry)
{
	struct boot_params parameters = {.hdr = read_header(kernel)};

	parameters.acpi_rsdp_addr = facts->acpi;
	parameters.hdr.type_of_loader = LOADER_UNDEFINED;
	parameters.hdr.cmd_line_ptr = facts->command_line;
	parameters.hdr.ramdisk_image = facts->initrd;
	parameters.hdr.ramdisk_size = facts->initrd_bytes;
	parameters.hdr.code32_start = kernel->entry;
	tell_memory_map(&parameters, &facts->map);
	memcpy(vm_memory_at(memory, LAYOUT_BOOT_PARAMETERS, sizeof parameters), &parameters,
		sizeof parameters);
	*entry = (struct boot_entry){.eip = kernel->entry, .esi = LAYOUT_BOOT_PARAMETERS};
}

const struct kernel_format bzimage_format = {.is_it = is_it, .load = load, .tell = tell};
