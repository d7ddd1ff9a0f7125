#include "offload/host/module_reports.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/packet.h"

#define MACHINE_DESCRIPTORS 2u

void module_reports_begin(struct module_reports *reports)
{
	reports->has_begun = false;
	reports->unanswered = 0;
}

bool module_reports_ping(struct module_reports *reports, int link, uint64_t number)
{
	if (send(link, &number, sizeof number, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof number)
		reports->unanswered++;
	else if (errno == EPIPE)
		return false;
	return true;
}

static bool may_begin(struct module_reports *reports)
{
	const bool is_first = !reports->has_begun;

	reports->has_begun = true;
	return is_first;
}

static bool may_answer(struct module_reports *reports)
{
	if (!reports->unanswered)
		return false;
	reports->unanswered--;
	return true;
}

static bool is_expected(struct module_reports *reports, const struct module_report *report)
{
	static bool (*const may_say[])(struct module_reports * reports) = {
		[MODULE_READY] = may_begin,
		[MODULE_FAILED] = may_begin,
		[MODULE_ALIVE] = may_answer};

	return report->kind < sizeof may_say / sizeof *may_say && may_say[report->kind](reports);
}

static void make_printable(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text != '\n' && (*text < ' ' || *text > '~'))
			*text = '?';
}

/* Whatever the process sends is held and closed by sluiced; of these, neither takes time. */
static bool is_machine(const int *fds)
{
	struct stat socket, doorbell;

	return fstat(fds[0], &socket) == 0 && S_ISSOCK(socket.st_mode) &&
	       fstat(fds[1], &doorbell) == 0 && !(doorbell.st_mode & S_IFMT);
}

static enum module_said judge(
	struct module_reports *reports, struct module_report *report, ssize_t bytes)
{
	if (bytes == -EAGAIN || bytes == -EINTR)
		return MODULE_SAID_NOTHING;
	if (bytes <= 0)
		return MODULE_SAID_END;
	if (bytes != sizeof *report || !is_expected(reports, report))
		return MODULE_SAID_NONSENSE;
	make_printable(report->text, sizeof report->text);
	return MODULE_SAID_REPORT;
}

static bool is_answer(enum module_said said, const struct module_report *report)
{
	return said == MODULE_SAID_REPORT && report->kind == MODULE_ALIVE;
}

enum module_said module_reports_take(
	struct module_reports *reports, int link, struct module_report *report)
{
	int fds[MACHINE_DESCRIPTORS];
	struct packet_descriptors descriptors = {.fds = fds, .capacity = MACHINE_DESCRIPTORS};
	const ssize_t bytes =
		packet_receive(link, report, sizeof *report, MSG_DONTWAIT, &descriptors);
	const enum module_said said = judge(reports, report, bytes);

	if (is_answer(said, report))
		module_reports_drop_machine(reports);
	if (is_answer(said, report) && descriptors.count == MACHINE_DESCRIPTORS && is_machine(fds))
		reports->machine = (struct channel_machine){fds[0], fds[1]};
	else
		packet_close_descriptors(fds, descriptors.count);
	return said;
}

void module_reports_drop_machine(struct module_reports *reports)
{
	if (reports->machine.socket < 0)
		return;
	close(reports->machine.socket);
	close(reports->machine.doorbell);
	reports->machine = (struct channel_machine){-1, -1};
}
