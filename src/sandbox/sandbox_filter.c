/* From tables of system calls to the filter that the kernel runs; what no table lists ends the process. */
#include <errno.h>
#include <seccomp.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static int allow(scmp_filter_ctx filter, int call, const struct sandbox_condition *condition)
{
	struct scmp_arg_cmp compare = {
		.arg = condition->argument,
		.op = SCMP_CMP_MASKED_EQ,
		.datum_a = condition->mask,
		.datum_b = condition->value,
	};

	return seccomp_rule_add_array(
		filter, SCMP_ACT_ALLOW, call, condition->mask ? 1 : 0, &compare);
}

static int add_table(scmp_filter_ctx filter, const struct sandbox_table *table)
{
	int result = 0;

	for (size_t i = 0; i < table->allowed_count && result == 0; i++)
		result = allow(filter, table->allowed[i].call, &table->allowed[i].condition);
	for (size_t i = 0; i < table->refused_count && result == 0; i++)
		result = seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)table->refused[i].error),
			table->refused[i].call, 0);
	return result;
}

static int add_rules(scmp_filter_ctx filter, const struct sandbox_config *config)
{
	const struct sandbox_condition this_process = SANDBOX_EXACTLY(0, (uint64_t)getpid());
	int result = allow(filter, SCMP_SYS(tgkill), &this_process);

	for (size_t i = 0; i < config->table_count && result == 0; i++)
		result = add_table(filter, &config->tables[i]);
	return result;
}

static int tune(scmp_filter_ctx filter, int frequent_call)
{
	int result = seccomp_syscall_priority(filter, frequent_call, UINT8_MAX);

	/* libseccomp would set it, which the caller has done. */
	return result < 0 ? result : seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
}

int sandbox_filter_calls(const struct sandbox_config *config, struct error *error)
{
	scmp_filter_ctx filter =
		seccomp_init(config->is_only_logging ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	int result = filter ? add_rules(filter, config) : -ENOMEM;

	if (result == 0)
		result = tune(filter, config->frequent_call);
	if (result == 0)
		result = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (result < 0)
		return error_set(
			error, result, "cannot filter system calls: %s", strerror(-result));
	return 0;
}
