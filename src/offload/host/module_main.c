/*
 * sluice-module: one module's process, started by sluiced, which it has a link with (module_link.h).
 *
 * Theory of operation. This thread answers the link; the module works on a sidecore and workers. When the link is closed, because
 * sluiced wants that or is no more, the module is closed and the process ends; an alarm ends one that does not get there.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/packet.h"
#include "offload/host/module_handover.h"
#include "offload/host/module_instance.h"

#define CLOSE_S_MAX 10u
#define EXIT_USAGE 2

/* Signals arrive as reads; all threads started later inherit the mask. sluiced's end is one, too. */
static int open_signals(struct error *error)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigaddset(
		&signals, SIGUSR1); /* systemd sends all processes of a service what it sends one */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd < 0 ? error_set(error, -errno, "cannot watch signals: %s", strerror(errno)) : fd;
}

static void raise_limits(void)
{
	const int limits[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		struct rlimit limit;

		if (getrlimit(limits[i], &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		setrlimit(limits[i], &limit);
	}
}

static void send_report(const struct module_report *report, const struct channel_machine *machine)
{
	const int fds[] = {machine->socket, machine->doorbell};
	const size_t count = machine->socket < 0 ? 0 : 2;
	int result = packet_send(MODULE_LINK_FD, report, sizeof *report, 0, fds, count);

	if (result < 0)
		log_debug("the link takes no report: %s", strerror(-result));
	packet_close_descriptors(fds, count);
}

/* Returns false when the link is closed. */
static bool take_pings(struct module_instance *instance)
{
	uint64_t ping;

	if (recv(MODULE_LINK_FD, &ping, sizeof ping, 0) <= 0)
		return false;
	module_instance_ask(instance);
	return true;
}

static void serve(struct module_instance *instance, int signals)
{
	struct module_report report;
	struct channel_machine machine;
	struct pollfd fds[] = {
		{MODULE_LINK_FD, POLLIN, 0},
		{module_instance_answer_fd(instance), POLLIN, 0},
		{signals, POLLIN, 0},
	};

	while (!fds[2].revents) {
		if (poll(fds, sizeof fds / sizeof *fds, -1) < 0)
			continue;
		if (fds[0].revents && !take_pings(instance))
			return;
		if (fds[1].revents) {
			module_instance_report(instance, &report, &machine);
			send_report(&report, &machine);
		}
	}
}

int main(int argc, char **argv)
{
	static struct module_description description;
	static struct module_report report;
	const struct channel_machine nobody = {-1, -1};
	struct channel_machine machine;
	struct gate_descriptors gate;
	struct module_instance *instance;
	struct error error;
	int signals, result;

	if (argc != 1 || module_handover_receive(
				 MODULE_LINK_FD, &description, &gate, &machine, &error) < 0) {
		fprintf(stderr, "sluice-module: is run by sluiced%s%s\n", argc == 1 ? ": " : "",
			argc == 1 ? error.message : "");
		return EXIT_USAGE;
	}
	raise_limits();
	result = signals = open_signals(&error);
	if (result >= 0)
		result = module_instance_start(&description, &gate, &machine, &instance, &error);
	report.kind = result < 0 ? MODULE_FAILED : MODULE_READY;
	if (result < 0)
		snprintf(report.text, sizeof report.text, "%s", error.message);
	send_report(&report, &nobody);
	if (result < 0)
		return EXIT_FAILURE;
	serve(instance, signals);
	alarm(CLOSE_S_MAX);
	module_instance_stop(instance);
	return EXIT_SUCCESS;
}
