/* Kernels that are small and do nothing: enough to be loaded. */
#ifndef SLUICE_TESTS_KERNEL_FILES_H
#define SLUICE_TESTS_KERNEL_FILES_H

#include <asm/bootparam.h>
#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SETUP_SECTORS 2u
#define CODE_OFFSET ((SETUP_SECTORS + 1) * 512u)
#define CODE "the kernel itself"

struct bzimage {
	uint8_t boot_sector[0x1f1];
	struct setup_header header;
	uint8_t rest[CODE_OFFSET - 0x1f1 - sizeof(struct setup_header)];
	char code[sizeof CODE];
} __attribute__((packed));

/* As Linux 6's are. */
static inline struct bzimage a_bzimage(void)
{
	struct bzimage image = {
		.header = {.setup_sects = SETUP_SECTORS,
			.boot_flag = 0xaa55,
			.jump = 0x66eb, /* over the header: its end is 0x202 + 0x66 */
			.header = 0x53726448,
			.version = 0x020f,
			.loadflags = LOADED_HIGH,
			.initrd_addr_max = 0x7fffffff,
			.cmdline_size = 2047,
			.pref_address = 0x1000000,
			.init_size = 0x100000},
		.code = CODE,
	};

	return image;
}

#define ELF_CODE_ADDRESS 0x200000u
#define ELF_ENTRY (ELF_CODE_ADDRESS + 4)
#define ELF_CODE_BYTES_IN_MEMORY 0x3000u

struct elf_kernel {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	struct {
		Elf64_Nhdr header;
		char name[4];
		uint32_t entry;
	} note;
	char code[sizeof CODE];
};

static inline struct elf_kernel an_elf_kernel(void)
{
	struct elf_kernel kernel = {
		.header = {.e_machine = EM_X86_64,
			.e_phoff = offsetof(struct elf_kernel, segments),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2},
		.segments = {{.p_type = PT_LOAD,
				     .p_offset = offsetof(struct elf_kernel, code),
				     .p_paddr = ELF_CODE_ADDRESS,
				     .p_filesz = sizeof CODE,
				     .p_memsz = ELF_CODE_BYTES_IN_MEMORY},
			{.p_type = PT_NOTE,
				.p_offset = offsetof(struct elf_kernel, note),
				.p_filesz = sizeof kernel.note}},
		.note = {.header = {.n_namesz = 4, .n_descsz = 4, .n_type = 18},
			.name = "Xen",
			.entry = ELF_ENTRY},
		.code = CODE,
	};

	memcpy(kernel.header.e_ident, ELFMAG, SELFMAG);
	kernel.header.e_ident[EI_CLASS] = ELFCLASS64;
	kernel.header.e_ident[EI_DATA] = ELFDATA2LSB;
	return kernel;
}

/* Returns its descriptor. */
static inline int file_of(const void *bytes, size_t size_bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size_bytes) != (ssize_t)size_bytes)
		return -1;
	return fd;
}

#endif
