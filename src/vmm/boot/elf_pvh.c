/*
 * PVH: an ELF file with a note that has its 32-bit entry (Xen's docs/misc/pvh.pandoc, and
 * xen/interface/hvm/start_info.h, version 1, whose structures are below). Linux has it if CONFIG_PVH is set.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/boot/kernel_format.h"
#include "vmm/layout.h"

#define PROGRAM_HEADERS_MAX 64u
#define NOTES_BYTES_MAX 0x10000u
#define NOTE_NAME "Xen"
#define NOTE_PHYS32_ENTRY 18u
#define COMMAND_LINE_BYTES_MAX 2048u /* Linux's, of x86: the file does not say */

#define START_INFO_MAGIC 0x336ec578u
#define START_INFO_VERSION 1u

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t acpi;
	uint64_t memory_map;
	uint32_t memory_map_entries;
	uint32_t reserved;
};

struct start_info_module {
	uint64_t address;
	uint64_t size_bytes;
	uint64_t command_line;
	uint64_t reserved;
};

struct start_info_memory {
	uint64_t address;
	uint64_t size_bytes;
	uint32_t type;
	uint32_t reserved;
};

/* All that the guest gets, as it lies in its memory. */
struct start_page {
	struct start_info info;
	struct start_info_module initrd;
	struct start_info_memory memory[MEMORY_MAP_ENTRIES_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "start_info.h");
_Static_assert(LAYOUT_START_INFO + sizeof(struct start_page) <= LAYOUT_BOOT_PARAMETERS, "layout.h");

static bool is_it(const struct kernel *kernel)
{
	return memcmp(kernel->head, ELFMAG, SELFMAG) == 0;
}

static int check_header(const struct kernel *kernel, const Elf64_Ehdr *header, struct error *error)
{
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
		header->e_machine != EM_X86_64)
		return error_set(error, -ENOEXEC, "%s: is an ELF file, but not for x86-64",
			kernel->file.name);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum > PROGRAM_HEADERS_MAX)
		return error_set(error, -ENOEXEC, "%s: its program headers make no sense",
			kernel->file.name);
	return 0;
}

/* What was in the file goes into memory that is 0 otherwise, as the rest of the segment must be. */
static int load_segment(struct kernel *kernel, const Elf64_Phdr *segment,
	const struct vm_memory *memory, struct error *error)
{
	if (segment->p_memsz == 0)
		return 0;
	if (segment->p_filesz > segment->p_memsz)
		return error_set(
			error, -ENOEXEC, "%s: a segment's size makes no sense", kernel->file.name);
	if (segment->p_paddr < LAYOUT_KERNEL ||
		!vm_memory_at(memory, segment->p_paddr, segment->p_memsz) ||
		segment->p_paddr >= LAYOUT_LOW_RAM_END)
		return error_set(error, -EFBIG,
			"%s: a segment of %llu bytes at 0x%llx is not in the guest's memory "
			"between 1 MiB "
			"and 3 GiB; give it more",
			kernel->file.name, (unsigned long long)segment->p_memsz,
			(unsigned long long)segment->p_paddr);
	if (kernel->end < segment->p_paddr + segment->p_memsz)
		kernel->end = segment->p_paddr + segment->p_memsz;
	return boot_file_place(&kernel->file, segment->p_offset, memory, segment->p_paddr,
		segment->p_filesz, error);
}

static uint64_t aligned(uint64_t size_bytes)
{
	return (size_bytes + 3) & ~3ull;
}

/* The entry that one of the notes has; 0 if none does. */
static uint32_t find_entry(const uint8_t *notes, uint64_t size_bytes)
{
	uint32_t entry = 0;
	Elf64_Nhdr note;

	while (size_bytes >= sizeof note) {
		const uint8_t *name = notes + sizeof note;
		uint64_t name_bytes, whole_bytes;

		memcpy(&note, notes, sizeof note);
		name_bytes = aligned(note.n_namesz);
		whole_bytes = sizeof note + name_bytes + aligned(note.n_descsz);
		if (whole_bytes > size_bytes)
			return 0;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof NOTE_NAME &&
			memcmp(name, NOTE_NAME, sizeof NOTE_NAME) == 0 &&
			note.n_descsz >= sizeof entry) {
			memcpy(&entry, name + name_bytes, sizeof entry);
			return entry;
		}
		notes += whole_bytes;
		size_bytes -= whole_bytes;
	}
	return 0;
}

static int read_notes(struct kernel *kernel, const Elf64_Phdr *segment, struct error *error)
{
	uint32_t entry;
	uint8_t *notes;
	int result;

	if (segment->p_filesz > NOTES_BYTES_MAX)
		return error_set(error, -ENOEXEC, "%s: its notes are too long", kernel->file.name);
	notes = malloc(segment->p_filesz + 1);
	if (!notes)
		return error_set(error, -ENOMEM, "%s: no memory", kernel->file.name);
	result = boot_file_read(&kernel->file, segment->p_offset, notes, segment->p_filesz, error);
	entry = result < 0 ? 0 : find_entry(notes, segment->p_filesz);
	if (entry)
		kernel->entry = entry;
	free(notes);
	return result;
}

static int take_segment(struct kernel *kernel, const Elf64_Phdr *segment,
	const struct vm_memory *memory, struct error *error)
{
	if (segment->p_type == PT_LOAD)
		return load_segment(kernel, segment, memory, error);
	if (segment->p_type == PT_NOTE)
		return read_notes(kernel, segment, error);
	return 0;
}

static int load(struct kernel *kernel, const struct vm_memory *memory, struct error *error)
{
	Elf64_Phdr segments[PROGRAM_HEADERS_MAX];
	Elf64_Ehdr header;
	int result;

	memcpy(&header, kernel->head, sizeof header);
	result = check_header(kernel, &header, error);
	if (result < 0)
		return result;
	result = boot_file_read(
		&kernel->file, header.e_phoff, segments, header.e_phnum * sizeof *segments, error);
	for (unsigned i = 0; i < header.e_phnum && result == 0; i++)
		result = take_segment(kernel, &segments[i], memory, error);
	if (result < 0)
		return result;
	if (kernel->entry < LAYOUT_KERNEL || kernel->entry >= kernel->end)
		return error_set(error, -ENOEXEC,
			"%s: is an ELF file without a PVH entry; a Linux kernel needs CONFIG_PVH, "
			"or "
			"take its bzImage (Debian's are /boot/vmlinuz-VERSION)",
			kernel->file.name);
	kernel->initrd_end_max = LAYOUT_LOW_RAM_END;
	kernel->command_line_bytes_max = COMMAND_LINE_BYTES_MAX;
	return 0;
}

static void tell(const struct kernel *kernel, const struct vm_memory *memory,
	const struct boot_facts *facts, struct boot_entry *entry)
{
	struct start_page page = {
		.info = {.magic = START_INFO_MAGIC,
			.version = START_INFO_VERSION,
			.module_count = facts->initrd_bytes ? 1 : 0,
			.modules = LAYOUT_START_INFO + offsetof(struct start_page, initrd),
			.command_line = facts->command_line,
			.acpi = facts->acpi,
			.memory_map = LAYOUT_START_INFO + offsetof(struct start_page, memory),
			.memory_map_entries = facts->map.count},
		.initrd = {.address = facts->initrd, .size_bytes = facts->initrd_bytes},
	};

	for (unsigned i = 0; i < facts->map.count; i++)
		page.memory[i] = (struct start_info_memory){
			.address = facts->map.entries[i].address,
			.size_bytes = facts->map.entries[i].size_bytes,
			.type = facts->map.entries[i].type,
		};
	memcpy(vm_memory_at(memory, LAYOUT_START_INFO, sizeof page), &page, sizeof page);
	*entry = (struct boot_entry){.eip = kernel->entry, .ebx = LAYOUT_START_INFO};
}

const struct kernel_format elf_pvh_format = {.is_it = is_it, .load = load, .tell = tell};
