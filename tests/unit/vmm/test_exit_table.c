#include "../cmocka_all.h"

#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "base/log.h"
#include "vmm/exits/exit_handlers.h"
#include "vmm/exits/exit_table.h"
#include "vmm/exits/registers.h"

#define RUN_BYTES 8192u
#define DATA_OFFSET 4096u

/* ---- the table ---- */

static void every_row_is_filled_in(void **state)
{
	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
		assert_non_null(exit_reasons[i].name);
		assert_non_null(exit_reasons[i].handle);
	}
	for (unsigned i = 0; i < REGISTER_KIND_COUNT; i++)
		assert_non_null(register_kinds[i].name);
	for (unsigned i = 0; i < EXIT_CLASS_COUNT; i++)
		assert_non_null(exit_class_names[i]);
	for (unsigned i = 0; i < EXIT_PATH_COUNT; i++)
		assert_non_null(exit_path_names[i]);
	for (unsigned i = 0; i < EXIT_PLACE_COUNT; i++)
		assert_non_null(exit_place_names[i]);
}

/* "#define KVM_EXIT_NAME NUMBER" of linux/kvm.h; not the numbers within a reason, which have other names. */
static bool is_reason(const char *line, char name[64], unsigned *number)
{
	static const char *const within[] = {
		"HYPERV_", "XEN_HCALL", "IO_IN", "IO_OUT", "TDX_", "ARM_SEA_FLAG_"};

	if (sscanf(line, "#define KVM_EXIT_%63s %u", name, number) != 2)
		return false;
	for (unsigned i = 0; i < sizeof within / sizeof *within; i++)
		if (strncmp(name, within[i], strlen(within[i])) == 0)
			return false;
	return true;
}

static void every_reason_of_the_kernel_has_the_row_of_its_name(void **state)
{
	FILE *header = fopen("/usr/include/linux/kvm.h", "re");
	unsigned number, count = 0;
	char line[256];
	char name[64];

	if (!header)
		skip();
	while (fgets(line, sizeof line, header)) {
		if (!is_reason(line, name, &number))
			continue;
		assert_true(number < EXIT_REASON_COUNT);
		assert_string_equal(exit_reasons[number].name, name);
		count++;
	}
	fclose(header);
	assert_true(count >= 38);
}

static void newer_reasons_count_as_unknown(void **state)
{
	assert_int_equal(exit_reason_index(KVM_EXIT_MMIO), KVM_EXIT_MMIO);
	assert_int_equal(exit_reason_index(EXIT_REASON_COUNT), KVM_EXIT_UNKNOWN);
	assert_int_equal(exit_reason_index(UINT32_MAX), KVM_EXIT_UNKNOWN);
}

/* What the hypervisor core handles cannot be what nobody waits for. */
static void classes_paths_and_places_agree(void **state)
{
	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++) {
		const struct exit_reason_row *row = &exit_reasons[i];

		assert_int_equal(row->place == EXIT_ON_CORE, row->path == EXIT_BY_POST);
		assert_int_equal(row->class == EXIT_ELIMINATED,
			row->place == EXIT_IN_KERNEL || row->place == EXIT_NOWHERE);
	}
	for (unsigned i = 0; i < REGISTER_KIND_COUNT; i++) {
		const struct register_kind_row *row = &register_kinds[i];

		assert_int_equal(row->read_path, EXIT_BY_POST);
		assert_int_equal(
			row->write_class == EXIT_SYNCHRONOUS, row->write_path == EXIT_BY_POST);
	}
}

/* ---- handlers ---- */

struct fake_vcpu {
	_Alignas(4096) uint8_t page[RUN_BYTES];
	struct kvm_run *run;
	struct exit_context context;
	struct register_range range;
	uint64_t sum, accesses;
};

static struct fake_vcpu vcpu;

static uint64_t read_next(void *device, uint64_t offset, unsigned size_bytes)
{
	return 0x1000 + vcpu.accesses++;
}

static void write_sum(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	vcpu.accesses++;
	vcpu.sum += value;
}

static int set_up(void **state)
{
	memset(&vcpu, 0, sizeof vcpu);
	vcpu.run = (struct kvm_run *)vcpu.page;
	vcpu.context = (struct exit_context){.machine_name = "test",
		.run = vcpu.run,
		.run_bytes = RUN_BYTES,
		.registers = registers_create()};
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static int tear_down(void **state)
{
	registers_destroy(vcpu.context.registers);
	return 0;
}

static void add_range(enum register_kind kind, uint64_t base)
{
	vcpu.range = (struct register_range){
		.kind = kind, .base = base, .size_bytes = 8, .read = read_next, .write = write_sum};
	assert_int_equal(registers_add(vcpu.context.registers, &vcpu.range), 0);
}

static enum exit_verdict handle(uint32_t reason)
{
	vcpu.run->exit_reason = reason;
	return exit_reasons[exit_reason_index(reason)].handle(&vcpu.context);
}

static void set_port_exit(uint8_t direction, uint8_t size, uint32_t count, uint64_t data_offset)
{
	vcpu.run->io.direction = direction;
	vcpu.run->io.size = size;
	vcpu.run->io.port = 0x3f8;
	vcpu.run->io.count = count;
	vcpu.run->io.data_offset = data_offset;
}

static void string_instruction_accesses_its_port_many_times(void **state)
{
	uint16_t data[4] = {1, 2, 3, 4};

	add_range(REGISTER_SERIAL, 0x3f8);
	memcpy(vcpu.page + DATA_OFFSET, data, sizeof data);
	set_port_exit(KVM_EXIT_IO_OUT, 2, 4, DATA_OFFSET);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_GO_ON);
	assert_int_equal(vcpu.sum, 10);
	set_port_exit(KVM_EXIT_IO_IN, 2, 4, DATA_OFFSET);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_GO_ON);
	memcpy(data, vcpu.page + DATA_OFFSET, sizeof data);
	assert_int_equal(data[0], 0x1004);
	assert_int_equal(data[3], 0x1007);
}

static void port_exit_beyond_its_page_is_not_believed(void **state)
{
	add_range(REGISTER_SERIAL, 0x3f8);
	set_port_exit(KVM_EXIT_IO_OUT, 4, RUN_BYTES / 4, DATA_OFFSET);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_CRASH);
	set_port_exit(KVM_EXIT_IO_OUT, 4, UINT32_MAX, DATA_OFFSET);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_CRASH);
	set_port_exit(KVM_EXIT_IO_OUT, 1, 1, UINT64_MAX);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_CRASH);
	set_port_exit(KVM_EXIT_IO_OUT, 3, 1, DATA_OFFSET);
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_CRASH);
	assert_int_equal(vcpu.accesses, 0);
}

/* KVM puts data elsewhere; should it not, what is read from the port must not say how often. */
static void data_over_its_own_count_is_read_as_often_as_was_said(void **state)
{
	add_range(REGISTER_SERIAL, 0x3f8);
	set_port_exit(KVM_EXIT_IO_IN, 4, 3, offsetof(struct kvm_run, io.count));
	assert_int_equal(handle(KVM_EXIT_IO), EXIT_GO_ON);
	assert_int_equal(vcpu.accesses, 3);
}

static void memory_is_read_and_written(void **state)
{
	add_range(REGISTER_MSIX_TABLE, 0xc0000000);
	vcpu.run->mmio.phys_addr = 0xc0000004;
	vcpu.run->mmio.len = 4;
	assert_int_equal(handle(KVM_EXIT_MMIO), EXIT_GO_ON);
	assert_memory_equal(vcpu.run->mmio.data, "\x00\x10\x00\x00", 4);
	vcpu.run->mmio.is_write = 1;
	assert_int_equal(handle(KVM_EXIT_MMIO), EXIT_GO_ON);
	assert_int_equal(vcpu.sum, 0x1000);
}

static void memory_exit_of_no_size_is_not_believed(void **state)
{
	static const uint32_t sizes[] = {0, 9, UINT32_MAX};

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		vcpu.run->mmio.len = sizes[i];
		assert_int_equal(handle(KVM_EXIT_MMIO), EXIT_CRASH);
	}
}

static void unknown_hypercalls_and_registers_are_refused_to_the_guest(void **state)
{
	assert_int_equal(handle(KVM_EXIT_HYPERCALL), EXIT_GO_ON);
	assert_int_equal(vcpu.run->hypercall.ret, (uint64_t)-38); /* -ENOSYS */
	vcpu.run->msr.error = 0;
	assert_int_equal(handle(KVM_EXIT_X86_RDMSR), EXIT_GO_ON);
	assert_int_equal(vcpu.run->msr.error, 1);
}

static void what_cannot_go_on_ends_the_machine(void **state)
{
	assert_int_equal(handle(KVM_EXIT_SHUTDOWN), EXIT_CRASH);
	assert_int_equal(handle(KVM_EXIT_FAIL_ENTRY), EXIT_CRASH);
	assert_int_equal(handle(KVM_EXIT_UNKNOWN), EXIT_CRASH);
	assert_int_equal(handle(UINT32_MAX), EXIT_CRASH);
	assert_int_equal(handle(KVM_EXIT_HLT), EXIT_GO_ON);
}

static void system_events_turn_off_and_reset(void **state)
{
	vcpu.run->system_event.type = KVM_SYSTEM_EVENT_SHUTDOWN;
	assert_int_equal(handle(KVM_EXIT_SYSTEM_EVENT), EXIT_OFF);
	vcpu.run->system_event.type = KVM_SYSTEM_EVENT_RESET;
	assert_int_equal(handle(KVM_EXIT_SYSTEM_EVENT), EXIT_RESET);
	vcpu.run->system_event.type = KVM_SYSTEM_EVENT_CRASH;
	assert_int_equal(handle(KVM_EXIT_SYSTEM_EVENT), EXIT_CRASH);
}

static void internal_error_prints_only_the_instruction_it_has(void **state)
{
	static const uint8_t sizes[] = {0, 1, 15, 16, 255};

	vcpu.run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	vcpu.run->emulation_failure.ndata = 3;
	vcpu.run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	for (unsigned i = 0; i < sizeof sizes; i++) {
		vcpu.run->emulation_failure.insn_size = sizes[i];
		assert_int_equal(handle(KVM_EXIT_INTERNAL_ERROR), EXIT_CRASH);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_filled_in),
		cmocka_unit_test(every_reason_of_the_kernel_has_the_row_of_its_name),
		cmocka_unit_test(newer_reasons_count_as_unknown),
		cmocka_unit_test(classes_paths_and_places_agree),
		cmocka_unit_test_setup_teardown(
			string_instruction_accesses_its_port_many_times, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			port_exit_beyond_its_page_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			data_over_its_own_count_is_read_as_often_as_was_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_read_and_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			memory_exit_of_no_size_is_not_believed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			unknown_hypercalls_and_registers_are_refused_to_the_guest, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			what_cannot_go_on_ends_the_machine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			system_events_turn_off_and_reset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			internal_error_prints_only_the_instruction_it_has, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
