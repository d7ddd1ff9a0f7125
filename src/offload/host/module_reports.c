#include "offload/host/module_reports.h"

#include <errno.h>
#include <sys/socket.h>

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

enum module_said module_reports_take(
	struct module_reports *reports, int link, struct module_report *report)
{
	const ssize_t count = recv(link, report, sizeof *report, MSG_DONTWAIT | MSG_TRUNC);

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return MODULE_SAID_NOTHING;
	if (count <= 0)
		return MODULE_SAID_END;
	if (count != sizeof *report || !is_expected(reports, report))
		return MODULE_SAID_NONSENSE;
	make_printable(report->text, sizeof report->text);
	return MODULE_SAID_REPORT;
}
