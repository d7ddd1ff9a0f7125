/* The scheduler's insides, for scheduler.c and flow.c. */
#ifndef SLUICE_SLO_SCHEDULER_PRIVATE_H
#define SLUICE_SLO_SCHEDULER_PRIVATE_H

#include "slo/deadline_queue.h"
#include "slo/demand.h"
#include "slo/fair_queue.h"
#include "slo/heap.h"
#include "slo/window.h"

struct scheduler {
	struct scheduler_config config;
	struct deadline_queue deadlines;
	struct fair_queue fair;
	struct request_queue unordered; /* submitted without enforcement */
	struct heap held; /* flows held by their limit; key: when the first request may go */
	struct window window;
	struct demand demand; /* of all flows */
	unsigned flow_count;
};

/* The promises or the pool's numbers have changed: work out the window again. */
void scheduler_update_window(struct scheduler *scheduler);

#endif
