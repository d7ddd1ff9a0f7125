#include "vmm/boot/acpi.h"

#include <assert.h>
#include <string.h>

#include "dsdt_aml.h"
#include "vmm/boot/dsdt_numbers.h"
#include "vmm/devices/power_registers.h"
#include "vmm/layout.h"

#define TABLE_ALIGNMENT 8ul

/* ACPI 6.4, 5.2.3.2: where a register is. */
struct generic_address {
	uint8_t space;
	uint8_t width_bits;
	uint8_t offset_bits;
	uint8_t access_size;
	uint64_t address;
} __attribute__((packed));

#define SPACE_PORT 1u
#define ACCESS_BYTE 1u

/* 5.2.5.3 */
struct root_pointer {
	char signature[8];
	uint8_t checksum; /* of what version 1 had: the first 20 bytes */
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

#define ROOT_POINTER_REVISION 2u
#define ROOT_POINTER_VERSION_1_BYTES 20u

/* 5.2.6 */
struct table_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

#define OEM "SLUICE"
#define OEM_TABLE "SLUICEVM"
#define CREATOR "SLUI"

/* 5.2.8 */
struct xsdt {
	struct table_header header;
	uint64_t tables[2];
} __attribute__((packed));

/* 5.2.9; what a hardware-reduced machine does not have is left out by name. */
struct fadt {
	struct table_header header;
	uint8_t facs_and_dsdt_32[8];
	uint8_t reserved;
	uint8_t preferred_profile;
	uint8_t fixed_hardware[62];
	uint8_t century;
	uint16_t boot_flags;
	uint8_t reserved_2;
	uint32_t flags;
	struct generic_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor_version;
	uint64_t facs;
	uint64_t dsdt;
	struct generic_address fixed_hardware_blocks[8];
	struct generic_address sleep_control;
	struct generic_address sleep_status;
	char hypervisor[8];
} __attribute__((packed));

_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.4, table 5.9");

#define FADT_REVISION 6u
#define FADT_MINOR_VERSION 4u
#define PROFILE_ENTERPRISE_SERVER 4u
#define FADT_WBINVD (1u << 0)
#define FADT_NO_FIXED_POWER_BUTTON (1u << 4)
#define FADT_NO_FIXED_SLEEP_BUTTON (1u << 5)
#define FADT_HAS_RESET (1u << 10)
#define FADT_HARDWARE_REDUCED (1u << 20)
#define BOOT_NO_VGA (1u << 2)
#define BOOT_NO_REAL_TIME_CLOCK (1u << 5)

/* 5.2.12 */
struct madt_local_apic {
	uint8_t type;
	uint8_t length;
	uint8_t processor;
	uint8_t apic_id;
	uint32_t flags;
} __attribute__((packed));

struct madt_io_apic {
	uint8_t type;
	uint8_t length;
	uint8_t id;
	uint8_t reserved;
	uint32_t address;
	uint32_t first_gsi;
} __attribute__((packed));

struct madt_local_apic_nmi {
	uint8_t type;
	uint8_t length;
	uint8_t processor;
	uint16_t flags;
	uint8_t pin;
} __attribute__((packed));

struct madt {
	struct table_header header;
	uint32_t local_apic_address;
	uint32_t flags;
	struct madt_io_apic io_apic;
	struct madt_local_apic_nmi nmi;
	struct madt_local_apic local_apics[VCPUS_MAX];
} __attribute__((packed));

#define MADT_REVISION 5u
#define MADT_LOCAL_APIC 0u
#define MADT_LOCAL_APIC_ENABLED 1u
#define MADT_IO_APIC 1u
#define MADT_LOCAL_APIC_NMI 4u
#define MADT_ALL_PROCESSORS 0xffu
#define MADT_NMI_PIN 1u

_Static_assert(sizeof(struct root_pointer) + sizeof(struct xsdt) + sizeof(struct fadt) +
			       sizeof(struct madt) + sizeof dsdt_aml_code + 5 * TABLE_ALIGNMENT <=
		       ACPI_TABLES_BYTES_MAX,
	"room for all of them");
_Static_assert(ACPI_TABLES_BYTES_MAX <= LAYOUT_ACPI_BYTES_MAX &&
		       LAYOUT_ACPI + ACPI_TABLES_BYTES_MAX <= LAYOUT_RESET_VECTOR,
	"layout.h");

_Static_assert(DSDT_PCI_MEMORY_LAST + 1 == LAYOUT_PCI_MEMORY_END &&
		       DSDT_PCI_MEMORY_BYTES == LAYOUT_PCI_MEMORY_END - LAYOUT_PCI_MEMORY_START,
	"dsdt_numbers.h");

/* What makes the bytes' sum 0. */
static uint8_t checksum(const void *bytes, size_t size_bytes)
{
	const uint8_t *byte = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < size_bytes; i++)
		sum += byte[i];
	return (uint8_t)-sum;
}

/* Tables are appended here, each where the guest will find it. */
struct writer {
	uint8_t *bytes;
	uint64_t guest_address;
	unsigned used_bytes;
};

/* Returns its guest-physical address. */
static uint64_t append(struct writer *writer, const void *bytes, size_t size_bytes)
{
	size_t at = (writer->used_bytes + TABLE_ALIGNMENT - 1) & -TABLE_ALIGNMENT;

	assert(at + size_bytes <= ACPI_TABLES_BYTES_MAX);
	memset(writer->bytes + writer->used_bytes, 0, at - writer->used_bytes);
	memcpy(writer->bytes + at, bytes, size_bytes);
	writer->used_bytes = (unsigned)(at + size_bytes);
	return writer->guest_address + at;
}

static uint64_t append_table(struct writer *writer, struct table_header *header,
	const char *signature, uint8_t revision, size_t size_bytes)
{
	memcpy(header->signature, signature, sizeof header->signature);
	memcpy(header->oem, OEM, sizeof header->oem);
	memcpy(header->oem_table, OEM_TABLE, sizeof header->oem_table);
	memcpy(header->creator, CREATOR, sizeof header->creator);
	header->length = (uint32_t)size_bytes;
	header->revision = revision;
	header->oem_revision = 1;
	header->creator_revision = 1;
	header->checksum = 0;
	header->checksum = checksum(header, size_bytes);
	return append(writer, header, size_bytes);
}

static struct generic_address power_register(unsigned offset)
{
	return (struct generic_address){
		.space = SPACE_PORT,
		.width_bits = 8,
		.access_size = ACCESS_BYTE,
		.address = LAYOUT_PORT_POWER + offset,
	};
}

static uint64_t append_fadt(struct writer *writer, uint64_t dsdt)
{
	struct fadt fadt = {
		.preferred_profile = PROFILE_ENTERPRISE_SERVER,
		.boot_flags = BOOT_NO_VGA | BOOT_NO_REAL_TIME_CLOCK,
		.flags = FADT_WBINVD | FADT_NO_FIXED_POWER_BUTTON | FADT_NO_FIXED_SLEEP_BUTTON |
			 FADT_HAS_RESET | FADT_HARDWARE_REDUCED,
		.reset = power_register(POWER_RESET),
		.reset_value = POWER_RESET_VALUE,
		.minor_version = FADT_MINOR_VERSION,
		.dsdt = dsdt,
		.sleep_control = power_register(POWER_SLEEP_CONTROL),
		.sleep_status = power_register(POWER_SLEEP_STATUS),
		.hypervisor = OEM,
	};

	return append_table(writer, &fadt.header, "FACP", FADT_REVISION, sizeof fadt);
}

static uint64_t append_madt(struct writer *writer, unsigned vcpu_count)
{
	struct madt madt = {
		.local_apic_address = LAYOUT_LOCAL_APIC,
		.io_apic = {.type = MADT_IO_APIC,
			.length = sizeof(struct madt_io_apic),
			.address = LAYOUT_IO_APIC},
		.nmi = {.type = MADT_LOCAL_APIC_NMI,
			.length = sizeof(struct madt_local_apic_nmi),
			.processor = MADT_ALL_PROCESSORS,
			.pin = MADT_NMI_PIN},
	};
	size_t unused_bytes = (VCPUS_MAX - vcpu_count) * sizeof *madt.local_apics;

	assert(vcpu_count <= VCPUS_MAX);
	for (unsigned i = 0; i < vcpu_count; i++)
		madt.local_apics[i] = (struct madt_local_apic){
			.type = MADT_LOCAL_APIC,
			.length = sizeof(struct madt_local_apic),
			.processor = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = MADT_LOCAL_APIC_ENABLED,
		};
	return append_table(
		writer, &madt.header, "APIC", MADT_REVISION, sizeof madt - unused_bytes);
}

static void write_root_pointer(uint8_t *bytes, uint64_t xsdt)
{
	struct root_pointer root = {
		.revision = ROOT_POINTER_REVISION,
		.length = sizeof root,
		.xsdt = xsdt,
	};

	memcpy(root.signature, "RSD PTR ", sizeof root.signature);
	memcpy(root.oem, OEM, sizeof root.oem);
	root.checksum = checksum(&root, ROOT_POINTER_VERSION_1_BYTES);
	root.extended_checksum = checksum(&root, sizeof root);
	memcpy(bytes, &root, sizeof root);
}

unsigned acpi_write_tables(uint8_t *bytes, uint64_t guest_address, unsigned vcpu_count)
{
	struct writer writer = {
		.bytes = bytes,
		.guest_address = guest_address,
		.used_bytes = sizeof(struct root_pointer),
	};
	uint64_t dsdt = append(&writer, dsdt_aml_code, sizeof dsdt_aml_code);
	struct xsdt xsdt = {
		.tables = {append_fadt(&writer, dsdt), append_madt(&writer, vcpu_count)}};

	write_root_pointer(bytes, append_table(&writer, &xsdt.header, "XSDT", 1, sizeof xsdt));
	return writer.used_bytes;
}

void acpi_place_tables(const struct vm_memory *memory, unsigned vcpu_count)
{
	acpi_write_tables(
		vm_memory_at(memory, LAYOUT_ACPI, ACPI_TABLES_BYTES_MAX), LAYOUT_ACPI, vcpu_count);
}
