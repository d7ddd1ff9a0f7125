/* A FIFO of requests, linked through slo_request.next. */
#ifndef SLUICE_SLO_REQUEST_QUEUE_H
#define SLUICE_SLO_REQUEST_QUEUE_H

#include <stddef.h>
#include <sys/queue.h>

#include "slo/scheduler.h"

STAILQ_HEAD(request_queue, slo_request);

#endif
