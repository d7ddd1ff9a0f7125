/*
 * What a module's process says over its link (module_link.h), as sluiced takes it. The process is anybody's, once somebody has broken into it:
 * it may say what it was asked for, once, and no more, so that it keeps neither this thread nor the log busy.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_REPORTS_H
#define SLUICE_OFFLOAD_HOST_MODULE_REPORTS_H

#include <stdbool.h>

#include "offload/channel/channel_server.h"
#include "offload/host/module_link.h"

enum module_said {
	MODULE_SAID_NOTHING, /* now */
	MODULE_SAID_REPORT,
	MODULE_SAID_NONSENSE, /* no report, or one that nobody has asked for */
	MODULE_SAID_END,      /* it has closed the link */
};

struct module_reports {
	bool has_begun;	     /* the process has said that it serves, or cannot */
	unsigned unanswered; /* pings */
	/* That the region is in, as the last answer had it, for the next process: at first -1 in both, and sluiced's to drop in the end. */
	struct channel_machine machine;
};

/* Another process is about to start. */
void module_reports_begin(struct module_reports *reports);

/* Ask for a report. Returns false if the link is closed; a link that takes no more has been asked often enough. */
bool module_reports_ping(struct module_reports *reports, int link, uint64_t number);

/* Take what is there, without waiting. The text of a report can be printed. */
enum module_said module_reports_take(
	struct module_reports *reports, int link, struct module_report *report);

void module_reports_drop_machine(struct module_reports *reports);

#endif
