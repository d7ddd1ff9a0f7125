#include "cli/vm_console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/vm_escape.h"

#define TYPED_BYTES 256

struct console {
	pid_t child;
	int signals;
	sigset_t old_signals;
	int input, output; /* of the child; not -1: it gets these for its own */
	bool is_terminal;
	struct termios old_terminal;
	int keyboard; /* to the child */
	struct vm_escape escape;
};

static int open_signals(struct console *console, struct error *error)
{
	static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD};
	sigset_t signals;

	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
		sigaddset(&signals, wanted[i]);
	sigprocmask(SIG_BLOCK, &signals, &console->old_signals);
	console->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (console->signals >= 0)
		return 0;
	return error_set(error, -errno, "cannot watch signals: %s", strerror(errno));
}

static int open_file(struct console *console, const char *path, struct error *error)
{
	console->output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (console->output < 0)
		return error_set(
			error, -errno, "--console: cannot open %s: %s", path, strerror(errno));
	console->input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
}

/* A child that does not read must not stop us from reading on: its escape may be next. */
static int open_keyboard(struct console *console, struct error *error)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(error, -errno, "cannot make a pipe: %s", strerror(errno));
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	console->input = ends[0];
	console->keyboard = ends[1];
	console->is_terminal = true;
	return 0;
}

/* Lines that we or the child print still begin at the left: output is processed as before. */
static void make_raw(struct console *console)
{
	struct termios raw = console->old_terminal;
	tcflag_t output = raw.c_oflag;

	cfmakeraw(&raw);
	raw.c_oflag = output;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static int open_console(struct console *console, const char *file, struct error *error)
{
	if (file)
		return open_file(console, file, error);
	if (tcgetattr(STDIN_FILENO, &console->old_terminal) < 0)
		return 0;
	return open_keyboard(console, error);
}

static void close_console(struct console *console)
{
	const int fds[] = {console->input, console->output, console->keyboard, console->signals};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	sigprocmask(SIG_SETMASK, &console->old_signals, NULL);
}

/* In the child. A parent that is killed takes its VM along, as the terminal is nobody's then. */
static void become_program(const struct console *console, const struct vm_console_config *config)
{
	char *const arguments[] = {(char *)config->program, (char *)config->argument, NULL};

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (console->input >= 0)
		dup2(console->input, STDIN_FILENO);
	if (console->output >= 0)
		dup2(console->output, STDOUT_FILENO);
	/* What whoever started us had open is no business of a process that a guest may take over. */
	close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	sigprocmask(SIG_SETMASK, &console->old_signals, NULL);
	execv(config->program, arguments);
	fprintf(stderr, "sluice: cannot run %s: %s; is all of Sluice installed?\n", config->program,
		strerror(errno));
	_exit(EXIT_FAILURE);
}

static void take_typed(struct console *console)
{
	static const int signals[] = {
		[VM_ESCAPE_POWER_BUTTON] = SIGTERM,
		[VM_ESCAPE_END] = SIGQUIT,
	};
	char typed[TYPED_BYTES], passed[TYPED_BYTES + 1];
	ssize_t count = read(STDIN_FILENO, typed, sizeof typed);
	enum vm_escape_wish wish;
	size_t passed_count;

	if (count <= 0) {
		console->is_terminal = count < 0 && errno == EINTR;
		return;
	}
	wish = vm_escape_take(&console->escape, typed, (size_t)count, passed, &passed_count);
	/* What a full pipe does not take is lost, as on a serial line that nobody reads. */
	if (passed_count && write(console->keyboard, passed, passed_count) < 0 && errno == EPIPE)
		console->is_terminal = false;
	if (wish != VM_ESCAPE_NONE)
		kill(console->child, signals[wish]);
}

/* What a terminal sends goes to all of its foreground, so the child has it already. */
static void take_signal(const struct console *console)
{
	struct signalfd_siginfo signal;

	if (read(console->signals, &signal, sizeof signal) != sizeof signal ||
		signal.ssi_signo == SIGCHLD || signal.ssi_code == SI_KERNEL)
		return;
	kill(console->child, signal.ssi_signo == SIGQUIT ? SIGQUIT : SIGTERM);
}

static int watch(struct console *console)
{
	int status;

	while (waitpid(console->child, &status, WNOHANG) != console->child) {
		struct pollfd fds[] = {
			{console->signals, POLLIN, 0},
			{console->is_terminal ? STDIN_FILENO : -1, POLLIN, 0},
		};

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			take_signal(console);
		if (fds[1].revents)
			take_typed(console);
	}
	return status;
}

static int run(struct console *console, const struct vm_console_config *config, struct error *error)
{
	bool is_terminal = console->is_terminal;
	int status;

	console->child = fork();
	if (console->child < 0)
		return error_set(error, -errno, "cannot start the VM: %s", strerror(errno));
	if (console->child == 0)
		become_program(console, config);
	/* Its own end of the pipe is the child's alone, so that we see when that is gone. */
	if (console->input >= 0)
		close(console->input);
	console->input = -1;
	if (is_terminal)
		make_raw(console);
	status = watch(console);
	if (is_terminal)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &console->old_terminal);
	return status;
}

int vm_console_run(const struct vm_console_config *config, struct error *error)
{
	struct console console = {.input = -1, .output = -1, .keyboard = -1, .signals = -1};
	int result = open_signals(&console, error);

	signal(SIGPIPE, SIG_IGN);
	if (result == 0)
		result = open_console(&console, config->file, error);
	if (result == 0)
		result = run(&console, config, error);
	close_console(&console);
	return result;
}
