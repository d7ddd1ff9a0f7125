/*
 * What is done for each reason: the functions that exit_table.c names. They run where exits are handled, one
 * at a time for a VM, while the vCPU's thread waits, so its struct kvm_run is theirs.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_HANDLERS_H
#define SLUICE_VMM_EXITS_EXIT_HANDLERS_H

#include <linux/kvm.h>
#include <stdint.h>

#include "vmm/exits/exit_table.h"
#include "vmm/exits/registers.h"

struct exit_context {
	const char *machine_name; /* for log lines */
	unsigned vcpu;
	struct kvm_run *run;
	uint32_t run_bytes; /* of its mapping */
	struct registers *registers;
};

enum exit_verdict exit_go_on(const struct exit_context *context);
enum exit_verdict exit_unexpected(const struct exit_context *context);
enum exit_verdict exit_port(const struct exit_context *context); /* with string and rep counts */
enum exit_verdict exit_memory(const struct exit_context *context);
enum exit_verdict exit_hypercall(const struct exit_context *context);
enum exit_verdict exit_model_specific_register(const struct exit_context *context);
enum exit_verdict exit_shutdown(const struct exit_context *context);
enum exit_verdict exit_failed_entry(const struct exit_context *context);
enum exit_verdict exit_internal_error(const struct exit_context *context);
enum exit_verdict exit_system_event(const struct exit_context *context);
enum exit_verdict exit_notify(const struct exit_context *context);

#endif
