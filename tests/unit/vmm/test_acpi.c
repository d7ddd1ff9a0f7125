#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot/acpi.h"
#include "vmm/layout.h"

#define ROOT_BYTES 36u
#define FADT_DSDT_AT 140u
#define MADT_ENTRIES_AT 44u

static uint8_t tables[ACPI_TABLES_BYTES_MAX];

static uint64_t number(const uint8_t *bytes, unsigned size_bytes)
{
	uint64_t value = 0;

	memcpy(&value, bytes, size_bytes);
	return value;
}

static uint8_t sum(const uint8_t *bytes, uint64_t size_bytes)
{
	uint8_t total = 0;

	for (uint64_t i = 0; i < size_bytes; i++)
		total += bytes[i];
	return total;
}

static uint32_t length(const uint8_t *table)
{
	return (uint32_t)number(table + 4, 4);
}

/* At a guest-physical address: checked as ACPI says it must be. */
static const uint8_t *table_at(uint64_t address, const char *signature)
{
	const uint8_t *table = tables + (address - LAYOUT_ACPI);

	assert_in_range(address, LAYOUT_ACPI, LAYOUT_ACPI + sizeof tables - ROOT_BYTES);
	assert_memory_equal(table, signature, 4);
	assert_int_equal(sum(table, length(table)), 0);
	return table;
}

static const uint8_t *root_table(void)
{
	return table_at(number(tables + 24, 8), "XSDT");
}

/* One that the root table points to. */
static const uint8_t *table(const char *signature)
{
	const uint8_t *root = root_table();

	for (uint32_t at = ROOT_BYTES; at < length(root); at += 8) {
		uint64_t address = number(root + at, 8);

		if (memcmp(tables + (address - LAYOUT_ACPI), signature, 4) == 0)
			return table_at(address, signature);
	}
	fail();
	return NULL;
}

static int write_tables(void **state)
{
	acpi_write_tables(tables, LAYOUT_ACPI, 3);
	return 0;
}

static void the_root_pointer_is_right(void **state)
{
	assert_memory_equal(tables, "RSD PTR ", 8);
	assert_int_equal(sum(tables, 20), 0);
	assert_int_equal(sum(tables, ROOT_BYTES), 0);
	assert_int_equal(number(tables + 20, 4), ROOT_BYTES);
	root_table();
}

static void the_fixed_description_says_what_there_is_not(void **state)
{
	const uint8_t *fadt = table("FACP");

	assert_int_equal(length(fadt), 276);
	assert_true(number(fadt + 112, 4) & 1u << 20); /* hardware-reduced */
	assert_true(number(fadt + 112, 4) & 1u << 10); /* reset register */
	table_at(number(fadt + FADT_DSDT_AT, 8), "DSDT");
}

static void power_registers_are_ports(void **state)
{
	const struct {
		unsigned at;
		uint64_t port;
	} registers[] = {{116, LAYOUT_PORT_POWER + 2}, {244, LAYOUT_PORT_POWER},
		{256, LAYOUT_PORT_POWER + 1}};
	const uint8_t *fadt = table("FACP");

	for (unsigned i = 0; i < sizeof registers / sizeof *registers; i++) {
		assert_int_equal(fadt[registers[i].at], 1);	/* system I/O */
		assert_int_equal(fadt[registers[i].at + 1], 8); /* bits */
		assert_int_equal(number(fadt + registers[i].at + 4, 8), registers[i].port);
	}
	assert_int_equal(fadt[128], 1); /* what resets */
}

static unsigned entries_of(const uint8_t *madt, uint8_t type)
{
	unsigned count = 0;

	for (uint32_t at = MADT_ENTRIES_AT; at < length(madt); at += madt[at + 1]) {
		assert_int_not_equal(madt[at + 1], 0);
		count += madt[at] == type;
	}
	return count;
}

static void each_vcpu_has_a_local_apic(void **state)
{
	for (unsigned count = 1; count <= VCPUS_MAX; count++) {
		acpi_write_tables(tables, LAYOUT_ACPI, count);
		assert_int_equal(entries_of(table("APIC"), 0), count);
		assert_int_equal(entries_of(table("APIC"), 1), 1);
	}
}

static void tables_stay_within_their_room(void **state)
{
	assert_in_range(acpi_write_tables(tables, LAYOUT_ACPI, VCPUS_MAX), 1, sizeof tables);
}

static void write_file(const char *path, const uint8_t *content)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content, length(content), 1, file), 1);
	fclose(file);
}

/* ACPI's own tool finds nothing wrong with a table. */
static void disassemble(const char *name, const uint8_t *content)
{
	char directory[] = "/tmp/acpi-XXXXXX";
	char path[64], command[256];

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/%s", directory, name);
	write_file(path, content);
	snprintf(command, sizeof command,
		"cd %s && iasl -d %s >log 2>&1 && ! grep -iE 'warning|error|invalid|incorrect' log",
		directory, name);
	/* NOLINTNEXTLINE(cert-env33-c): a test, with names of its own */
	assert_int_equal(system(command), 0);
	snprintf(command, sizeof command, "rm -r %s", directory);
	/* NOLINTNEXTLINE(cert-env33-c): the same */
	assert_int_equal(system(command), 0);
}

static void acpis_own_disassembler_understands_the_tables(void **state)
{
	const uint8_t *fadt = table("FACP");

	disassemble("facp", fadt);
	disassemble("apic", table("APIC"));
	disassemble("xsdt", root_table());
	disassemble("dsdt", table_at(number(fadt + FADT_DSDT_AT, 8), "DSDT"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_root_pointer_is_right, write_tables),
		cmocka_unit_test_setup(the_fixed_description_says_what_there_is_not, write_tables),
		cmocka_unit_test_setup(power_registers_are_ports, write_tables),
		cmocka_unit_test_setup(each_vcpu_has_a_local_apic, write_tables),
		cmocka_unit_test_setup(tables_stay_within_their_room, write_tables),
		cmocka_unit_test_setup(acpis_own_disassembler_understands_the_tables, write_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
