#include "offload/host/module_ending.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void explain_signal(const struct module_ending *ending, char *text, size_t size)
{
	int number = WTERMSIG(ending->status);

	if (ending->crime)
		snprintf(text, size, "%s, and was killed", ending->crime);
	else if (number == SIGSYS)
		snprintf(text, size,
			"used a system call that its sandbox does not allow, and was ended; the "
			"kernel's log names it ('journalctl -k -g type=1326')");
	else if (number == SIGKILL && ending->has_memory_limit)
		snprintf(text, size, "was killed; if it was for memory, raise its 'memory_limit'");
	else
		snprintf(text, size, "was ended by signal %d (%s)", number, strsignal(number));
}

bool module_ending_explain(const struct module_ending *ending, char *text, size_t size)
{
	if (ending->was_asked_to_close && !ending->crime)
		return false;
	if (WIFSIGNALED(ending->status))
		explain_signal(ending, text, size);
	else if (ending->has_said_why)
		return false;
	else
		snprintf(text, size, "ended with status %d", WEXITSTATUS(ending->status));
	return true;
}
