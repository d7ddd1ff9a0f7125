/* A guest without an operating system: what a machine and its exit rings do, seen from inside. */
#include "cpu.h"
#include "interrupts.h"
#include "jobs.h"
#include "machine.h"
#include "print.h"
#include "ring.h"

#define SLEEP_ENABLE 0x20u
#define SLEEP_TYPE_OFF (5u << 2)

/* Xen's struct hvm_start_info, as far as it is used. */
struct start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules;
	uint64_t command_line;
};

static const struct {
	const char *word;
	job *run;
} jobs[] = {
	{"test", job_test},
	{"hostile", job_hostile},
	{"bench", job_bench},
	{"off", job_off},
};

void machine_off(void)
{
	port_write8(PORT_POWER, SLEEP_ENABLE | SLEEP_TYPE_OFF);
	halt_for_ever();
}

void job_off(const uint64_t arguments[JOB_ARGUMENTS_MAX])
{
	static struct exit_ring_client client;
	const struct sluice_exit_request request = {.operation = SLUICE_EXIT_PORT_WRITE,
		.address = PORT_POWER,
		.size_bytes = 1,
		.value = SLEEP_ENABLE | SLEEP_TYPE_OFF};
	struct sluice_exit_completion completion;

	if (ring_open(&client, 0))
		exit_ring_client_call(&client, &request, &completion);
	for (;;)
		cpu_pause();
}

/* Does the text begin with this word? Then it is moved past it. */
static bool take_word(const char **text, const char *word)
{
	const char *at = *text;

	while (*word && *at == *word)
		at++, word++;
	if (*word || (*at && *at != ' '))
		return false;
	*text = at;
	return true;
}

static uint64_t take_number(const char **text)
{
	uint64_t number = 0;

	while (**text == ' ')
		++*text;
	while (**text >= '0' && **text <= '9')
		number = 10 * number + (uint64_t)(*(*text)++ - '0');
	return number;
}

static void run_job(const char *command_line)
{
	uint64_t arguments[JOB_ARGUMENTS_MAX];

	for (unsigned i = 0; i < sizeof jobs / sizeof *jobs; i++) {
		if (!take_word(&command_line, jobs[i].word))
			continue;
		for (unsigned j = 0; j < JOB_ARGUMENTS_MAX; j++)
			arguments[j] = take_number(&command_line);
		jobs[i].run(arguments);
		print("done\n");
		return;
	}
	print("FAILED there is no such job\n");
}

void bare_main(const struct start_info *start_info);

void bare_main(const struct start_info *start_info)
{
	interrupts_set_up();
	print_set_up();
	run_job((const char *)(uintptr_t)start_info->command_line);
	machine_off();
}

void other_main(void);

void other_main(void)
{
	interrupts_set_up();
	hostile_other();
	halt_for_ever();
}
