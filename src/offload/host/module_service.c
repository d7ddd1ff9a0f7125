#include "offload/host/module_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/container.h"
#include "base/counter.h"

#define REPLY_BYTES_FIRST 65536u

struct session {
	struct module_service *service;
	struct channel_connection_server *connection;
	void *session; /* the module's */
	struct module_request request;
	struct module_reply reply; /* in memory of the session's own, message_bytes_max of it */
	enum module_result result;
	struct worker_job job; /* to answer, or to give up */
	bool is_at_work;       /* the job has been given to the workers */
	bool is_gone;	       /* the client */
};

/* A channel server's places. */
struct front {
	struct session *sessions;
};

struct module_service {
	struct module_service_config config;
	struct module_service_counters counters;
	struct front *fronts;
	struct session *sessions;
	char *replies; /* address space; memory only where a reply has been */
	size_t replies_bytes;
};

static void run_job(struct session *session, void (*run)(struct worker_job *job),
	void (*done)(struct worker_job *job))
{
	session->is_at_work = true;
	session->job.run = run;
	session->job.done = done;
	worker_pool_run(session->service->config.workers, &session->job);
}

/* ---- the end of a session ---- */

static void give_up(struct worker_job *job)
{
	struct session *session = container_of(job, struct session, job);
	const struct module_service_config *config = &session->service->config;

	config->module->disconnect(session->session);
	madvise(session->reply.data, config->message_bytes_max, MADV_DONTNEED);
}

static void given_up(struct worker_job *job)
{
	struct session *session = container_of(job, struct session, job);
	struct channel_connection_server *connection = session->connection;

	session->is_at_work = false;
	session->connection = NULL;
	channel_server_release(connection);
}

static void disconnected(struct channel_connection_server *connection)
{
	struct session *session = channel_connection_owner(connection);

	const struct sluice_module *module = session->service->config.module;

	session->is_gone = true;
	if (!session->is_at_work)
		run_job(session, give_up, given_up);
	else if (module->interrupt)
		module->interrupt(session->session);
}

/* ---- requests ---- */

static void call_module(struct session *session, bool may_wait)
{
	session->request.may_wait = may_wait;
	session->reply.bytes = 0;
	session->result = session->service->config.module->handle(
		session->session, &session->request, &session->reply);
}

static void hang_up(struct session *session, const char *reason)
{
	struct module_service *service = session->service;

	counter_add(&service->counters.hung_up, 1);
	channel_server_hang_up(session->connection, reason);
}

static void finish(struct session *session)
{
	const struct module_reply *reply = &session->reply;

	if (session->result == MODULE_HANG_UP)
		hang_up(session, "the module makes no sense of the request");
	else if (session->result != MODULE_DONE)
		hang_up(session, "the module would wait where it may");
	else if (reply->bytes > reply->capacity_bytes)
		hang_up(session, "the module has written more than it had room for");
	else
		channel_server_reply(session->connection, reply->data, reply->bytes);
}

static void answer(struct worker_job *job)
{
	call_module(container_of(job, struct session, job), true);
}

static void answered(struct worker_job *job)
{
	struct session *session = container_of(job, struct session, job);

	session->is_at_work = false;
	if (session->is_gone)
		run_job(session, give_up, given_up);
	else
		finish(session);
}

static void request(struct channel_connection_server *connection, const void *data, size_t bytes)
{
	struct session *session = channel_connection_owner(connection);

	session->request = (struct module_request){.data = data, .bytes = bytes};
	call_module(session, false);
	if (session->result != MODULE_WOULD_WAIT) {
		finish(session);
		return;
	}
	counter_add(&session->service->counters.would_wait, 1);
	run_job(session, answer, answered);
}

/* The memory stays, for the next reply. */
static void replied(struct channel_connection_server *connection)
{
}

/* ---- the beginning of a session ---- */

static bool connected(struct channel_connection_server *connection, void *context)
{
	const struct front *front = context;
	struct session *session = &front->sessions[channel_connection_index(connection)];
	const struct module_service_config *config = &session->service->config;

	if (config->module->connect(config->instance, &session->session) < 0)
		return false;
	session->connection = connection;
	session->is_gone = false;
	session->reply.capacity_bytes = config->message_bytes_max < REPLY_BYTES_FIRST
						? config->message_bytes_max
						: REPLY_BYTES_FIRST;
	channel_connection_set_owner(connection, session);
	return true;
}

const struct channel_server_handlers module_service_handlers = {
	.connected = connected,
	.request = request,
	.replied = replied,
	.disconnected = disconnected,
};

/* ---- from outside ---- */

static bool grow(struct module_reply *reply, size_t capacity_bytes)
{
	const struct session *session = container_of(reply, struct session, reply);

	if (capacity_bytes > session->service->config.message_bytes_max)
		return false;
	if (capacity_bytes > reply->capacity_bytes)
		reply->capacity_bytes = capacity_bytes;
	return true;
}

static size_t round_up_to_pages(size_t bytes)
{
	return (bytes + 4095) & ~(size_t)4095;
}

static int make_sessions(struct module_service *service)
{
	const struct module_service_config *config = &service->config;
	size_t count = (size_t)config->server_count * config->connections_max;
	size_t reply_bytes = round_up_to_pages(config->message_bytes_max);

	service->sessions = calloc(count, sizeof *service->sessions);
	service->fronts = calloc(config->server_count, sizeof *service->fronts);
	service->replies_bytes = count * reply_bytes;
	service->replies = mmap(NULL, service->replies_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (service->replies == MAP_FAILED || !service->sessions || !service->fronts)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		service->sessions[i].service = service;
		service->sessions[i].reply.data = service->replies + i * reply_bytes;
		service->sessions[i].reply.grow = grow;
	}
	for (unsigned i = 0; i < config->server_count; i++)
		service->fronts[i].sessions =
			&service->sessions[(size_t)i * config->connections_max];
	return 0;
}

int module_service_create(const struct module_service_config *config,
	struct module_service **service, struct error *error)
{
	struct module_service *made = calloc(1, sizeof *made);

	if (!made)
		return error_set(error, -ENOMEM, "no memory for clients");
	made->config = *config;
	if (make_sessions(made) == 0) {
		*service = made;
		return 0;
	}
	module_service_destroy(made);
	return error_set(error, -ENOMEM,
		"no memory for %u clients with messages of %u bytes; set fewer 'connections'",
		config->connections_max, config->message_bytes_max);
}

void module_service_destroy(struct module_service *service)
{
	if (!service)
		return;
	if (service->replies && service->replies != MAP_FAILED)
		munmap(service->replies, service->replies_bytes);
	free(service->fronts);
	free(service->sessions);
	free(service);
}

void *module_service_context(struct module_service *service, unsigned server)
{
	return &service->fronts[server];
}

const struct module_service_counters *module_service_counters(const struct module_service *service)
{
	return &service->counters;
}
