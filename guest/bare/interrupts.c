#include "interrupts.h"

#include "cpu.h"
#include "machine.h"
#include "memory.h"
#include "print.h"

#define APIC 0xfee00000u
#define APIC_END_OF_INTERRUPT 0xb0u
#define APIC_SPURIOUS 0xf0u
#define APIC_COMMAND_LOW 0x300u
#define APIC_COMMAND_HIGH 0x310u
#define APIC_ENABLE 0x100u
#define VECTOR_SPURIOUS 0xffu

#define COMMAND_INIT 0x4500u
#define COMMAND_START_UP 0x4600u
#define TRAMPOLINE 0x10000u

#define CODE_SEGMENT 0x08u
#define INTERRUPT_GATE 0x8e00u

struct gate {
	uint16_t offset_low, segment, type, offset_middle;
	uint32_t offset_high, reserved;
};

struct interrupt_frame {
	uint64_t vector, error_code, rip, cs, rflags, rsp, ss;
};

/* What the processor pushes for a handler that is no exception's. */
struct handler_frame {
	uint64_t rip, cs, rflags, rsp, ss;
};

extern const uint64_t exception_entries[32];
extern const uint8_t trampoline[], trampoline_end[];

static struct gate gates[256];
static volatile uint32_t completions;

static void apic_write(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(APIC + offset) = value;
}

void exception_report(const struct interrupt_frame *frame);

void exception_report(const struct interrupt_frame *frame)
{
	uint64_t address;

	__asm__ volatile("mov %%cr2, %0" : "=r"(address));
	print("FAILED exception ");
	print_decimal(frame->vector);
	print(" error ");
	print_hexadecimal(frame->error_code);
	print(" at ");
	print_hexadecimal(frame->rip);
	print(" cr2 ");
	print_hexadecimal(address);
	print("\n");
	machine_off();
}

static __attribute__((interrupt)) void completion_handler(struct handler_frame *frame)
{
	__atomic_fetch_add(&completions, 1, __ATOMIC_SEQ_CST);
	apic_write(APIC_END_OF_INTERRUPT, 0);
}

static __attribute__((interrupt)) void ignored_handler(struct handler_frame *frame)
{
	apic_write(APIC_END_OF_INTERRUPT, 0);
}

static __attribute__((interrupt)) void spurious_handler(struct handler_frame *frame)
{
}

static void set_gate(unsigned vector, uint64_t entry)
{
	gates[vector] = (struct gate){
		.offset_low = (uint16_t)entry,
		.segment = CODE_SEGMENT,
		.type = INTERRUPT_GATE,
		.offset_middle = (uint16_t)(entry >> 16),
		.offset_high = (uint32_t)(entry >> 32),
	};
}

static void set_gates(void)
{
	for (unsigned i = 0; i < 32; i++)
		set_gate(i, exception_entries[i]);
	for (unsigned i = 32; i < 256; i++)
		set_gate(i, (uintptr_t)ignored_handler);
	set_gate(VECTOR_COMPLETION, (uintptr_t)completion_handler);
	set_gate(VECTOR_SPURIOUS, (uintptr_t)spurious_handler);
}

void interrupts_set_up(void)
{
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} pointer = {sizeof gates - 1, (uintptr_t)gates};

	set_gates();
	__asm__ volatile("lidt %0" : : "m"(pointer) : "memory");
	apic_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
}

uint32_t interrupts_count(void)
{
	return completions;
}

static void send(uint32_t apic_id, uint32_t command)
{
	apic_write(APIC_COMMAND_HIGH, apic_id << 24);
	apic_write(APIC_COMMAND_LOW, command);
}

void start_vcpu(uint32_t apic_id)
{
	memcpy((void *)(uintptr_t)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
	send(apic_id, COMMAND_INIT);
	send(apic_id, COMMAND_START_UP | TRAMPOLINE >> 12);
}
