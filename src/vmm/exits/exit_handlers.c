#include "vmm/exits/exit_handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include <string.h>

#include "base/log.h"

#define ACCESS_BYTES_MAX 8u

/* ---- what goes on ---- */

enum exit_verdict exit_go_on(const struct exit_context *context)
{
	return EXIT_GO_ON;
}

/* A port exit, read once: what is read from the port may be put where KVM said these. */
struct port_exit {
	uint64_t data_offset;
	uint32_t count, size_bytes;
	uint16_t port;
	bool is_write;
};

static bool is_sound(const struct port_exit *port_exit, uint32_t run_bytes)
{
	uint32_t size_bytes = port_exit->size_bytes;

	if (size_bytes != 1 && size_bytes != 2 && size_bytes != 4)
		return false;
	return port_exit->data_offset <= run_bytes &&
	       (uint64_t)port_exit->count * size_bytes <= run_bytes - port_exit->data_offset;
}

/* A string instruction with a prefix accesses the same port `count` times. */
enum exit_verdict exit_port(const struct exit_context *context)
{
	const struct kvm_run *run = context->run;
	const struct port_exit port_exit = {
		.data_offset = run->io.data_offset,
		.count = run->io.count,
		.size_bytes = run->io.size,
		.port = run->io.port,
		.is_write = run->io.direction == KVM_EXIT_IO_OUT,
	};
	uint8_t *data;

	if (!is_sound(&port_exit, context->run_bytes))
		return exit_unexpected(context);
	data = (uint8_t *)context->run + port_exit.data_offset;
	for (uint32_t i = 0; i < port_exit.count; i++, data += port_exit.size_bytes) {
		if (port_exit.is_write)
			registers_write(context->registers, REGISTER_PORT, port_exit.port, data,
				port_exit.size_bytes);
		else
			registers_read(context->registers, REGISTER_PORT, port_exit.port, data,
				port_exit.size_bytes);
	}
	return EXIT_GO_ON;
}

enum exit_verdict exit_memory(const struct exit_context *context)
{
	struct kvm_run *run = context->run;
	uint32_t size_bytes = run->mmio.len;

	if (size_bytes == 0 || size_bytes > ACCESS_BYTES_MAX)
		return exit_unexpected(context);
	if (run->mmio.is_write)
		registers_write(context->registers, REGISTER_MEMORY, run->mmio.phys_addr,
			run->mmio.data, size_bytes);
	else
		registers_read(context->registers, REGISTER_MEMORY, run->mmio.phys_addr,
			run->mmio.data, size_bytes);
	return EXIT_GO_ON;
}

/* KVM answers those it knows; of the rest none is known here. */
enum exit_verdict exit_hypercall(const struct exit_context *context)
{
	context->run->hypercall.ret = (uint64_t)-ENOSYS;
	return EXIT_GO_ON;
}

/* The guest gets the general protection fault that it would get from a processor without that register. */
enum exit_verdict exit_model_specific_register(const struct exit_context *context)
{
	context->run->msr.error = 1;
	return EXIT_GO_ON;
}

/* ---- what ends the machine ---- */

#define log_crash(context, format, ...)                                              \
	log_error("vm '%s': vCPU %u cannot go on: " format, (context)->machine_name, \
		(context)->vcpu, __VA_ARGS__)

enum exit_verdict exit_unexpected(const struct exit_context *context)
{
	uint32_t reason = context->run->exit_reason;

	log_crash(context, "KVM gave it up for reason %" PRIu32 " (%s), which is not expected",
		reason,
		reason < EXIT_REASON_COUNT ? exit_reasons[reason].name : "unknown to this version");
	return EXIT_CRASH;
}

enum exit_verdict exit_shutdown(const struct exit_context *context)
{
	log_crash(context, "%s",
		"a fault in the handler of a fault in a fault's handler (triple fault)");
	return EXIT_CRASH;
}

enum exit_verdict exit_failed_entry(const struct exit_context *context)
{
	log_crash(context,
		"the processor refuses its state: hardware reason 0x%" PRIx64 " on CPU %" PRIu32,
		(uint64_t)context->run->fail_entry.hardware_entry_failure_reason,
		(uint32_t)context->run->fail_entry.cpu);
	return EXIT_CRASH;
}

/* The instruction that KVM could not emulate, in hexadecimal; empty if KVM does not say. */
static void print_instruction(const struct kvm_run *run, char *text, size_t text_bytes)
{
	unsigned count = run->emulation_failure.insn_size;
	size_t used = 0;

	text[0] = 0;
	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->internal.ndata < 3 ||
		!(run->emulation_failure.flags &
			KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) ||
		count > sizeof run->emulation_failure.insn_bytes)
		return;
	for (unsigned i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, text_bytes - used, " %02x",
			run->emulation_failure.insn_bytes[i]);
}

enum exit_verdict exit_internal_error(const struct exit_context *context)
{
	char instruction[sizeof " 00" * 16];

	print_instruction(context->run, instruction, sizeof instruction);
	log_crash(context, "KVM's internal error %" PRIu32 "%s%s",
		(uint32_t)context->run->internal.suberror,
		instruction[0] ? "; it cannot emulate the instruction" : "", instruction);
	return EXIT_CRASH;
}

enum exit_verdict exit_system_event(const struct exit_context *context)
{
	uint32_t type = context->run->system_event.type;

	if (type == KVM_SYSTEM_EVENT_SHUTDOWN)
		return EXIT_OFF;
	if (type == KVM_SYSTEM_EVENT_RESET)
		return EXIT_RESET;
	log_crash(context, "system event %" PRIu32, type);
	return EXIT_CRASH;
}

/* The processor has stayed in the guest for long without taking an event; it may go on, if it can. */
enum exit_verdict exit_notify(const struct exit_context *context)
{
	if (!(context->run->notify.flags & KVM_NOTIFY_CONTEXT_INVALID))
		return EXIT_GO_ON;
	log_crash(context, "%s", "the processor lost its state");
	return EXIT_CRASH;
}
