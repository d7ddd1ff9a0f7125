#include "backend_fault.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"

struct backend_fault_plan backend_fault_plan;

struct fault_backend {
	struct backend backend;
	struct sidecore *sidecore;
	struct backend *inner;
	unsigned counted; /* requests that might have failed */
};

/* One request on its way: what is passed on is a copy, so that the original stays the caller's. */
struct fault_request {
	struct backend_request inner;
	struct timer timer;
	STAILQ_ENTRY(fault_request) next; /* while it hangs */
	struct fault_backend *fault;
	struct backend_request *outer;
	int failure; /* or 0: pass it on */
};

static int fault_open(
	const struct backend_options *options, struct backend **backend, struct error *error)
{
	struct fault_backend *fault = calloc(1, sizeof *fault);
	int code;

	if (!fault)
		return error_set(error, -ENOMEM, "no memory for a fault disk");
	code = backend_fault_plan.inner->open(options, &fault->inner, error);
	if (code) {
		free(fault);
		return code;
	}
	fault->backend = *fault->inner;
	fault->backend.ops = &backend_fault_ops;
	fault->sidecore = options->sidecore;
	*backend = &fault->backend;
	return 0;
}

static void inner_completed(struct backend_request *inner, int result)
{
	struct fault_request *request = (struct fault_request *)inner;
	struct backend_request *outer = request->outer;

	free(request);
	outer->complete(outer, result);
}

static void go_on(struct timer *timer, uint64_t now_ns)
{
	struct fault_request *request =
		(struct fault_request *)((char *)timer - offsetof(struct fault_request, timer));
	struct backend *inner = request->fault->inner;

	if (request->failure)
		inner_completed(&request->inner, request->failure);
	else
		inner->ops->submit(inner, &request->inner);
}

static STAILQ_HEAD(, fault_request) hanging = STAILQ_HEAD_INITIALIZER(hanging);

void backend_fault_go_on(void *unused)
{
	struct fault_request *request;

	backend_fault_plan.is_hanging = false;
	while ((request = STAILQ_FIRST(&hanging))) {
		STAILQ_REMOVE_HEAD(&hanging, next);
		go_on(&request->timer, 0);
	}
}

static void failed_later(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct backend_request *inner =
		(struct backend_request *)((char *)operation -
					   offsetof(struct backend_request, ring_operation));

	inner_completed(inner, ((struct fault_request *)inner)->failure);
}

static bool is_to_fail(struct fault_backend *fault, const struct backend_request *request)
{
	const struct backend_fault_plan *plan = &backend_fault_plan;

	if (!plan->fail_every || !(plan->operations & 1u << request->operation))
		return false;
	return ++fault->counted % plan->fail_every == 0;
}

static void fault_submit(struct backend *backend, struct backend_request *outer)
{
	struct fault_backend *fault = (struct fault_backend *)backend;
	struct fault_request *request = calloc(1, sizeof *request);

	if (!request)
		abort();
	request->inner = *outer;
	request->inner.complete = inner_completed;
	request->outer = outer;
	request->fault = fault;
	request->timer.expire = go_on;
	if (is_to_fail(fault, outer))
		request->failure = backend_fault_plan.failure;
	if (backend_fault_plan.is_hanging) {
		STAILQ_INSERT_TAIL(&hanging, request, next);
		return;
	}
	if (backend_fault_plan.delay_ns && !sidecore_set_timer(fault->sidecore, &request->timer,
						   clock_now_ns() + backend_fault_plan.delay_ns))
		return;
	if (!request->failure) {
		go_on(&request->timer, 0);
		return;
	}
	request->inner.ring_operation.complete = failed_later;
	io_uring_prep_nop(sidecore_prepare(fault->sidecore, &request->inner.ring_operation));
}

static int fault_refresh_size(struct backend *backend, uint64_t size_bytes, struct error *error)
{
	struct fault_backend *fault = (struct fault_backend *)backend;
	int code;

	if (!fault->inner->ops->refresh_size)
		return error_set(error, -EOPNOTSUPP, "the size cannot change");
	code = fault->inner->ops->refresh_size(fault->inner, size_bytes, error);
	backend->size_bytes = fault->inner->size_bytes;
	return code;
}

static void fault_close(struct backend *backend)
{
	struct fault_backend *fault = (struct fault_backend *)backend;

	fault->inner->ops->close(fault->inner);
	free(fault);
}

const struct backend_ops backend_fault_ops = {
	.name = "fault",
	.description = "another back end, with failures and delays as planned",
	.open = fault_open,
	.submit = fault_submit,
	.refresh_size = fault_refresh_size,
	.close = fault_close,
};
