#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "kernel_files.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/segments.h"
#include "vmm/layout.h"

#define MEMORY_BYTES ((uint64_t)64 << 20)
#define INITRD "the initial RAM disk"
#define COMMAND_LINE "console=ttyS0"

/* What PVH tells, as xen/interface/hvm/start_info.h has it. */
struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, command_line, acpi, memory_map;
	uint32_t memory_map_entries, reserved;
};

struct fixture {
	struct vm_memory memory;
	struct boot_config config;
	struct boot_entry entry;
	struct error error;
};

static int set_up(void **state)
{
	const struct vm_memory_config memory = {
		.size_bytes = MEMORY_BYTES, .huge_pages = HUGE_PAGES_NEVER};
	struct fixture *fixture = calloc(1, sizeof *fixture);

	if (!fixture)
		return -1;
	*state = fixture;
	fixture->config = (struct boot_config){.kernel_fd = -1,
		.initrd_fd = file_of(INITRD, sizeof INITRD),
		.command_line = COMMAND_LINE,
		.vcpu_count = 2};
	return vm_memory_create(&fixture->memory, &memory, &fixture->error);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->config.initrd_fd);
	if (fixture->config.kernel_fd >= 0)
		close(fixture->config.kernel_fd);
	vm_memory_destroy(&fixture->memory);
	free(fixture);
	return 0;
}

static int load(struct fixture *fixture, const void *kernel, size_t size_bytes)
{
	fixture->config.kernel_fd = file_of(kernel, size_bytes);
	return boot_load(&fixture->memory, &fixture->config, &fixture->entry, &fixture->error);
}

static void *at(const struct fixture *fixture, uint64_t address)
{
	void *host = vm_memory_at(&fixture->memory, address, 1);

	assert_non_null(host);
	return host;
}

/* ---- bzImage ---- */

static struct boot_params *parameters(const struct fixture *fixture)
{
	return at(fixture, fixture->entry.esi);
}

static void a_bzimage_is_loaded_at_one_mebibyte(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, &image, sizeof image), 0);
	assert_int_equal(fixture->entry.eip, LAYOUT_KERNEL);
	assert_int_equal(fixture->entry.ebx, 0);
	assert_string_equal(at(fixture, LAYOUT_KERNEL), CODE);
}

static void a_bzimage_is_told_where_everything_is(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;
	struct boot_params *told;

	assert_int_equal(load(fixture, &image, sizeof image), 0);
	told = parameters(fixture);
	assert_int_equal(told->hdr.header, image.header.header);
	assert_int_equal(told->hdr.type_of_loader, 0xff);
	assert_string_equal(at(fixture, told->hdr.cmd_line_ptr), COMMAND_LINE);
	assert_int_equal(told->hdr.ramdisk_size, sizeof INITRD);
	assert_string_equal(at(fixture, told->hdr.ramdisk_image), INITRD);
	assert_memory_equal(at(fixture, told->acpi_rsdp_addr), "RSD PTR ", 8);
	assert_int_equal(told->sentinel, 0);
}

static void what_follows_the_header_is_not_copied(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	image.header.jump = 0x40eb; /* ends before pref_address and what follows it */
	assert_int_equal(load(fixture, &image, sizeof image), 0);
	assert_int_equal(parameters(fixture)->hdr.init_size, 0);
}

static void the_memory_map_leaves_out_what_is_not_ram(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;
	const struct boot_e820_entry *map;
	uint64_t ram_bytes = 0, end = 0;

	assert_int_equal(load(fixture, &image, sizeof image), 0);
	map = parameters(fixture)->e820_table;
	for (unsigned i = 0; i < parameters(fixture)->e820_entries; i++) {
		assert_true(map[i].addr >= end);
		end = map[i].addr + map[i].size;
		if (map[i].type == 1)
			ram_bytes += map[i].size;
	}
	assert_int_equal(ram_bytes, MEMORY_BYTES - (LAYOUT_KERNEL - LAYOUT_LEGACY_HOLE_START));
}

static void an_initial_ram_disk_is_below_what_the_kernel_takes(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	image.header.initrd_addr_max = 0x2ffffff;
	assert_int_equal(load(fixture, &image, sizeof image), 0);
	assert_true(parameters(fixture)->hdr.ramdisk_image + sizeof INITRD <= 0x3000000);
}

static void an_initial_ram_disk_without_room_is_refused(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	image.header.init_size = (uint32_t)(MEMORY_BYTES - image.header.pref_address);
	assert_int_equal(load(fixture, &image, sizeof image), -EFBIG);
	assert_non_null(strstr(fixture->error.message, "initial RAM disk"));
	assert_non_null(strstr(fixture->error.message, "more memory"));
}

static void a_kernel_can_do_without_initial_ram_disk(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	close(fixture->config.initrd_fd);
	fixture->config.initrd_fd = -1;
	assert_int_equal(load(fixture, &image, sizeof image), 0);
	assert_int_equal(parameters(fixture)->hdr.ramdisk_size, 0);
}

static void a_command_line_is_as_long_as_the_kernel_takes(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;
	char line[32] = {0};

	image.header.cmdline_size = 20;
	memset(line, 'x', 20);
	fixture->config.command_line = line;
	assert_int_equal(load(fixture, &image, sizeof image), 0);
	line[20] = 'x';
	close(fixture->config.kernel_fd);
	assert_int_equal(load(fixture, &image, sizeof image), -E2BIG);
	assert_non_null(strstr(fixture->error.message, "20 at most"));
}

static void an_old_kernel_is_refused(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	image.header.version = 0x0205;
	assert_int_equal(load(fixture, &image, sizeof image), -ENOEXEC);
	assert_non_null(strstr(fixture->error.message, "2.05"));
}

static void a_bzimage_without_its_kernel_is_refused(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, &image, CODE_OFFSET), -ENOEXEC);
}

static void a_kernel_that_wants_to_be_beyond_memory_is_refused(void **state)
{
	struct bzimage image = a_bzimage();
	struct fixture *fixture = *state;

	image.header.pref_address = UINT64_MAX - 10;
	assert_int_equal(load(fixture, &image, sizeof image), -ENOEXEC);
}

/* ---- ELF ---- */

static void an_elf_kernel_is_loaded_where_it_says(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, &kernel, sizeof kernel), 0);
	assert_int_equal(fixture->entry.eip, ELF_ENTRY);
	assert_int_equal(fixture->entry.esi, 0);
	assert_string_equal(at(fixture, ELF_CODE_ADDRESS), CODE);
}

static void an_elf_kernel_is_told_where_everything_is(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;
	const struct start_info *info;
	const uint64_t *module, *ram;

	assert_int_equal(load(fixture, &kernel, sizeof kernel), 0);
	info = at(fixture, fixture->entry.ebx);
	assert_int_equal(info->magic, 0x336ec578);
	assert_int_equal(info->version, 1);
	assert_int_equal(info->module_count, 1);
	assert_string_equal(at(fixture, info->command_line), COMMAND_LINE);
	assert_memory_equal(at(fixture, info->acpi), "RSD PTR ", 8);
	module = at(fixture, info->modules);
	assert_string_equal(at(fixture, module[0]), INITRD);
	assert_int_equal(module[1], sizeof INITRD);
	ram = at(fixture, info->memory_map);
	assert_int_equal(ram[0], 0);
	assert_int_equal(ram[1], LAYOUT_LEGACY_HOLE_START);
	assert_int_equal(ram[2] & UINT32_MAX, 1);
}

static void an_elf_file_without_note_is_refused(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	kernel.note.header.n_type = 17;
	assert_int_equal(load(fixture, &kernel, sizeof kernel), -ENOEXEC);
	assert_non_null(strstr(fixture->error.message, "CONFIG_PVH"));
}

static void an_elf_file_for_another_machine_is_refused(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	kernel.header.e_machine = EM_AARCH64;
	assert_int_equal(load(fixture, &kernel, sizeof kernel), -ENOEXEC);
	assert_non_null(strstr(fixture->error.message, "x86-64"));
}

static void segments_outside_memory_are_refused(void **state)
{
	const struct {
		uint64_t address, size_bytes;
	} bad[] = {
		{0, 0x1000},			 /* over what the kernel is told */
		{MEMORY_BYTES, 0x1000},		 /* behind all */
		{MEMORY_BYTES - 0x1000, 0x2000}, /* partly */
		{UINT64_MAX - 0xfff, 0x2000},	 /* around */
		{ELF_CODE_ADDRESS, UINT64_MAX},
	};
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct elf_kernel kernel = an_elf_kernel();

		kernel.segments[0].p_paddr = bad[i].address;
		kernel.segments[0].p_memsz = bad[i].size_bytes;
		assert_int_equal(load(fixture, &kernel, sizeof kernel), -EFBIG);
		close(fixture->config.kernel_fd);
	}
	fixture->config.kernel_fd = -1;
}

static void segments_outside_the_file_are_refused(void **state)
{
	const uint64_t offsets[] = {sizeof(struct elf_kernel), UINT64_MAX - 4, INT64_MAX};
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < sizeof offsets / sizeof *offsets; i++)
		for (unsigned segment = 0; segment < 2; segment++) {
			struct elf_kernel kernel = an_elf_kernel();

			kernel.segments[segment].p_offset = offsets[i];
			assert_int_equal(load(fixture, &kernel, sizeof kernel), -ENOEXEC);
			close(fixture->config.kernel_fd);
		}
	fixture->config.kernel_fd = -1;
}

static void an_entry_outside_the_kernel_is_refused(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	kernel.note.entry = ELF_CODE_ADDRESS + ELF_CODE_BYTES_IN_MEMORY;
	assert_int_equal(load(fixture, &kernel, sizeof kernel), -ENOEXEC);
}

/* ---- both ---- */

static void other_files_are_no_kernels(void **state)
{
	static const uint8_t gzip[2048] = {0x1f, 0x8b, 8};
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, gzip, sizeof gzip), -ENOEXEC);
	assert_non_null(strstr(fixture->error.message, "/boot/vmlinuz"));
	close(fixture->config.kernel_fd);
	assert_int_equal(load(fixture, "", 0), -ENOEXEC);
	close(fixture->config.kernel_fd);
	fixture->config.kernel_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(
		boot_load(&fixture->memory, &fixture->config, &fixture->entry, &fixture->error),
		-EINVAL);
}

static void the_segments_are_where_the_cpu_looks(void **state)
{
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, &kernel, sizeof kernel), 0);
	assert_memory_equal(
		at(fixture, LAYOUT_GDT), segment_descriptors, sizeof segment_descriptors);
}

static void a_jump_to_the_bios_resets_the_machine(void **state)
{
	/* mov dx, 0x602; mov al, 1; out dx, al */
	static const uint8_t code[] = {0xba, 0x02, 0x06, 0xb0, 0x01, 0xee};
	struct elf_kernel kernel = an_elf_kernel();
	struct fixture *fixture = *state;

	assert_int_equal(load(fixture, &kernel, sizeof kernel), 0);
	assert_memory_equal(at(fixture, 0xffff0), code, sizeof code);
}

static void debians_kernel_is_loaded(void **state)
{
	struct fixture *fixture = *state;

	fixture->config.kernel_fd = open("build/guest/vmlinux", O_RDONLY | O_CLOEXEC);
	if (fixture->config.kernel_fd < 0)
		skip();
	assert_int_equal(
		boot_load(&fixture->memory, &fixture->config, &fixture->entry, &fixture->error), 0);
	assert_true(fixture->entry.eip >= 0x1000000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_bzimage_is_loaded_at_one_mebibyte),
		CASE(a_bzimage_is_told_where_everything_is),
		CASE(what_follows_the_header_is_not_copied),
		CASE(the_memory_map_leaves_out_what_is_not_ram),
		CASE(an_initial_ram_disk_is_below_what_the_kernel_takes),
		CASE(an_initial_ram_disk_without_room_is_refused),
		CASE(a_kernel_can_do_without_initial_ram_disk),
		CASE(a_command_line_is_as_long_as_the_kernel_takes),
		CASE(an_old_kernel_is_refused),
		CASE(a_bzimage_without_its_kernel_is_refused),
		CASE(a_kernel_that_wants_to_be_beyond_memory_is_refused),
		CASE(an_elf_kernel_is_loaded_where_it_says),
		CASE(an_elf_kernel_is_told_where_everything_is),
		CASE(an_elf_file_without_note_is_refused),
		CASE(an_elf_file_for_another_machine_is_refused),
		CASE(segments_outside_memory_are_refused),
		CASE(segments_outside_the_file_are_refused),
		CASE(an_entry_outside_the_kernel_is_refused),
		CASE(other_files_are_no_kernels),
		CASE(the_segments_are_where_the_cpu_looks),
		CASE(a_jump_to_the_bios_resets_the_machine),
		CASE(debians_kernel_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
