#include "vmm/pci/msix.h"

#include <linux/pci_regs.h>
#include <string.h>

#include "base/counter.h"

#define ROW_BYTES PCI_MSIX_ENTRY_SIZE
#define CONTROL_WORD (PCI_MSIX_ENTRY_VECTOR_CTRL / sizeof(uint32_t))

struct msix_capability {
	uint8_t id, next;
	uint16_t control;
	uint32_t table,
		pending; /* an offset, and in the lowest bits the number of the base address register */
};

/* ---- masking ---- */

static uint16_t control_of(const struct msix *msix)
{
	return pci_function_get_u16(msix->function, msix->capability + PCI_MSIX_FLAGS);
}

static bool should_be_unmasked(const struct msix *msix, const struct msix_vector *vector)
{
	return (control_of(msix) & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)) ==
		       PCI_MSIX_FLAGS_ENABLE &&
	       !(vector->words[CONTROL_WORD] & PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

/*
 * A message that KVM does not take (its address is not the interrupt controller's) reaches nobody, like one
 * that is masked.
 */
static void apply(struct msix *msix, struct msix_vector *vector)
{
	const uint64_t address = vector->words[0] | (uint64_t)vector->words[1] << 32;
	const bool is_unmasked = should_be_unmasked(msix, vector);

	if (!is_unmasked && !vector->is_unmasked)
		return;
	if (is_unmasked && !vector->is_unmasked &&
		interrupts_is_pending(msix->interrupts, vector->message))
		counter_add(&msix->waited, 1);
	vector->is_unmasked = interrupts_set_message(msix->interrupts, vector->message, address,
				      vector->words[2], !is_unmasked) == 0 &&
			      is_unmasked;
}

static void apply_all(struct msix *msix)
{
	for (unsigned i = 0; i < msix->vector_count; i++)
		apply(msix, &msix->vectors[i]);
}

void msix_config_written(struct msix *msix, unsigned offset, unsigned size_bytes)
{
	const unsigned control = msix->capability + PCI_MSIX_FLAGS;

	if (offset < control + 2 && control < offset + size_bytes)
		apply_all(msix);
}

/* ---- the table ---- */

static uint64_t read_table(void *device, uint64_t offset, unsigned size_bytes)
{
	const struct msix *msix = device;
	uint64_t value = 0;

	for (unsigned i = 0; i < size_bytes; i++) {
		const uint64_t at = offset + i;
		const uint8_t *row = (const uint8_t *)msix->vectors[at / ROW_BYTES].words;

		value |= (uint64_t)row[at % ROW_BYTES] << (8 * i);
	}
	return value;
}

static void write_table(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct msix *msix = device;
	const uint64_t last = (offset + size_bytes - 1) / ROW_BYTES;

	for (unsigned i = 0; i < size_bytes; i++) {
		const uint64_t at = offset + i;
		uint8_t *row = (uint8_t *)msix->vectors[at / ROW_BYTES].words;

		row[at % ROW_BYTES] = (uint8_t)(value >> (8 * i));
	}
	for (uint64_t row = offset / ROW_BYTES; row <= last; row++) {
		msix->vectors[row].words[CONTROL_WORD] &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
		apply(msix, &msix->vectors[row]);
	}
}

static bool is_pending(const struct msix *msix, uint64_t number)
{
	return number < msix->vector_count && !msix->vectors[number].is_unmasked &&
	       interrupts_is_pending(msix->interrupts, msix->vectors[number].message);
}

static uint64_t read_pending(void *device, uint64_t offset, unsigned size_bytes)
{
	const struct msix *msix = device;
	uint64_t value = 0;

	for (unsigned bit = 0; bit < 8 * size_bytes; bit++)
		value |= (uint64_t)is_pending(msix, 8 * offset + bit) << bit;
	return value;
}

/* ---- set-up ---- */

static void add_registers(struct msix *msix, const uint32_t offsets[2])
{
	const struct register_range table = {.kind = REGISTER_MSIX_TABLE,
		.size_bytes = (uint64_t)ROW_BYTES * msix->vector_count,
		.read = read_table,
		.write = write_table,
		.device = msix};
	const struct register_range pending = {.kind = REGISTER_MSIX_PENDING,
		.size_bytes = (msix->vector_count + 63ull) / 64 * 8,
		.read = read_pending,
		.device = msix};

	pci_function_add_range(msix->function, PCI_BAR_0, &table, offsets[0]);
	pci_function_add_range(msix->function, PCI_BAR_0, &pending, offsets[1]);
}

int msix_init(struct msix *msix, struct interrupts *interrupts, struct pci_function *function,
	unsigned vector_count, const uint32_t offsets[2], struct error *error)
{
	const struct msix_capability capability = {.id = PCI_CAP_ID_MSIX,
		.control = (uint16_t)(vector_count - 1),
		.table = offsets[0],
		.pending = offsets[1]};
	const uint16_t writable = PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL;

	memset(msix, 0, sizeof *msix);
	msix->interrupts = interrupts;
	msix->function = function;
	for (unsigned i = 0; i < vector_count; i++) {
		int message = interrupts_add_message(interrupts, error);

		if (message < 0)
			return message;
		msix->vectors[i].message = (unsigned)message;
		msix->vectors[i].words[CONTROL_WORD] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	msix->vector_count = vector_count;
	msix->capability = pci_function_add_capability(function, &capability, sizeof capability);
	memcpy(function->writable + msix->capability + PCI_MSIX_FLAGS, &writable, sizeof writable);
	add_registers(msix, offsets);
	return 0;
}

void msix_release(struct msix *msix)
{
	for (unsigned i = 0; i < msix->vector_count; i++)
		if (msix->vectors[i].is_unmasked)
			interrupts_set_message(
				msix->interrupts, msix->vectors[i].message, 0, 0, true);
}

int msix_vector_fd(const struct msix *msix, unsigned vector)
{
	return interrupts_message_fd(msix->interrupts, msix->vectors[vector].message);
}
