/*
 * Theory of operation. What needs files or sockets is opened first; then the sandbox is entered, and only in it
 * the module is opened: threads that it starts there are in the sandbox, as any that came before would not be.
 *
 * Whether the sidecore lives is asked by a message to it, which it answers by ringing an eventfd. The module's own status text is a
 * job for a worker, since nobody knows how long that takes: the answer waits for the text, unless the worker still is at the last one.
 */
#include "offload/host/module_instance.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/path_group.h"
#include "offload/channel/channel_server.h"
#include "offload/gate/gated_file.h"
#include "offload/host/module_library.h"
#include "offload/host/module_sandbox.h"
#include "offload/host/module_service.h"
#include "offload/host/worker_pool.h"
#include "sidecore/sidecore.h"
#include "virtio/vhost_user_listener.h"

#define SERVERS_MAX 2u /* of the socket, and of the region */
#define LOCK_TRIES 300u
#define LOCK_TRY_NS 50000000 /* a predecessor that closes gets 15 s in all */

struct module_instance {
	struct module_description *description;
	const struct sluice_module *module;
	void *module_instance;
	bool has_gate;
	struct gate_client gate;
	struct io_uring ring; /* the sidecore's, made before the sandbox */
	struct sidecore *sidecore;
	struct worker_pool *workers;
	struct module_service *service;
	struct channel_server_config server_configs[SERVERS_MAX];
	struct channel_server *servers[SERVERS_MAX];
	unsigned server_count;

	struct caller answer; /* the sidecore's, to the main thread */
	struct worker_job status_job;
	bool is_status_asked;	   /* the sidecore's */
	pthread_mutex_t text_lock; /* between a worker and the main thread */
	char text[MODULE_TEXT_BYTES];
};

/* ---- before the sandbox ---- */

/* Until the process ends. One that has lost its sluiced may still be closing. */
static int lock_directory(const char *directory, struct error *error)
{
	const struct timespec pause = {.tv_nsec = LOCK_TRY_NS};
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_set(
			error, -errno, "cannot open directory %s: %s", directory, strerror(errno));
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		nanosleep(&pause, NULL);
	}
	close(fd);
	return error_set(error, -EBUSY,
		"directory %s is in use by another process; end that, or give the module a "
		"directory of its own",
		directory);
}

static struct channel_server_config *add_server(struct module_instance *instance)
{
	struct channel_server_config *config = &instance->server_configs[instance->server_count++];

	*config = channel_server_config_default();
	config->name = instance->description->name;
	config->connections_max = instance->description->connections;
	config->handlers = &module_service_handlers;
	config->listen_fd = config->region_fd = config->machine_listen_fd = -1;
	config->machine = (struct channel_machine){-1, -1};
	return config;
}

/* As the sockets of disks. A region that was there is as somebody wanted it. */
static int give_to_vms(
	const struct module_description *description, bool is_region_new, struct error *error)
{
	int result = 0;

	if (is_region_new)
		result = path_give_to_group(description->region, NULL, VHOST_USER_GROUP, error);
	if (result < 0)
		return error_prefix(error, result, "region: ");
	result = path_give_to_group(description->doorbell, NULL, VHOST_USER_GROUP, error);
	return result < 0 ? error_prefix(error, result, "doorbell: ") : 0;
}

static int open_region(struct module_instance *instance, const struct channel_machine *machine,
	struct error *error)
{
	const struct module_description *description = instance->description;
	struct channel_server_config *config = add_server(instance);
	bool is_new;

	config->region_fd = channel_region_open(description->region, config, &is_new, error);
	if (config->region_fd == -EEXIST)
		return error_prefix(error, -EEXIST, "region: ");
	if (config->region_fd < 0)
		return config->region_fd;
	config->machine_listen_fd = channel_server_listen_for_machine(description->doorbell, error);
	if (config->machine_listen_fd < 0)
		return error_prefix(error, config->machine_listen_fd, "doorbell: ");
	config->machine = *machine;
	return give_to_vms(description, is_new, error);
}

static int open_entrances(struct module_instance *instance, const struct channel_machine *machine,
	struct error *error)
{
	const struct module_description *description = instance->description;
	struct channel_server_config *config = add_server(instance);
	int result;

	config->listen_fd = channel_server_listen(description->socket, error);
	if (config->listen_fd < 0)
		return config->listen_fd;
	result = path_give_to_group(
		description->socket, description->group, MODULE_GROUP_DEFAULT, error);
	if (result < 0)
		return result;
	return *description->region ? open_region(instance, machine, error) : 0;
}

static int open_all(struct module_instance *instance, const struct channel_machine *machine,
	struct error *error)
{
	const struct module_description *description = instance->description;
	int result = module_sandbox_make_directory(description, error);

	if (result == 0)
		result = lock_directory(description->directory, error);
	if (result == 0)
		result = module_library_load(description->library, &instance->module, error);
	if (result == 0)
		result = open_entrances(instance, machine, error);
	if (result == 0)
		result = sidecore_make_restricted_ring(&instance->ring, error);
	return result;
}

static int open_gate(
	struct module_instance *instance, const struct gate_descriptors *gate, struct error *error)
{
	int result;

	if (gate->region < 0)
		return 0;
	result = gate_client_open(&instance->gate, gate->region, gate->doorbell, gate->wake, error);
	instance->has_gate = result == 0;
	return result;
}

/* ---- the module ---- */

static int open_module(struct module_instance *instance, struct error *error)
{
	struct module_description *description = instance->description;
	struct module_option options[MODULE_OPTIONS_MAX];
	const struct module_setup setup = {
		.directory = description->directory,
		.options = options,
		.option_count = description->option_count,
		.memory_bytes_max = description->memory_bytes_max,
		.message_bytes_max = instance->server_configs[0].message_bytes_max,
	};
	char message[ERROR_MESSAGE_BYTES] = "";
	int result;

	for (unsigned i = 0; i < description->option_count; i++)
		options[i] = module_description_option(description->options[i]);
	result =
		instance->module->open(&setup, &instance->module_instance, message, sizeof message);
	message[sizeof message - 1] = '\0';
	if (result >= 0)
		return 0;
	return error_set(error, result, "%s", *message ? message : strerror(-result));
}

/* ---- answers ---- */

static void read_status(struct worker_job *job)
{
	struct module_instance *instance = container_of(job, struct module_instance, status_job);
	char text[MODULE_TEXT_BYTES];
	size_t length = 0;

	if (instance->module->status)
		length = instance->module->status(instance->module_instance, text, sizeof text - 1);
	if (length >= sizeof text)
		length = sizeof text - 1;
	pthread_mutex_lock(&instance->text_lock);
	memcpy(instance->text, text, length);
	instance->text[length] = '\0';
	pthread_mutex_unlock(&instance->text_lock);
}

static void status_read(struct worker_job *job)
{
	struct module_instance *instance = container_of(job, struct module_instance, status_job);

	instance->is_status_asked = false;
	sidecore_ring_caller(&instance->answer);
}

static void ask(void *argument)
{
	struct module_instance *instance = argument;

	if (instance->is_status_asked) {
		sidecore_ring_caller(&instance->answer);
		return;
	}
	instance->is_status_asked = true;
	worker_pool_run(instance->workers, &instance->status_job);
}

void module_instance_ask(struct module_instance *instance)
{
	sidecore_post(instance->sidecore, ask, instance);
}

int module_instance_answer_fd(const struct module_instance *instance)
{
	return instance->answer.fd;
}

static void add_server_counters(
	const struct channel_server *server, struct module_counters *counters)
{
	struct channel_server_counters add;

	channel_server_counters(server, &add);
	counters->connections += channel_server_connection_count(server);
	counters->connections_total += add.connections;
	counters->requests += add.requests;
	counters->doorbells += add.doorbells;
	counters->calls += add.calls;
	counters->bytes_received += add.bytes_received;
	counters->bytes_sent += add.bytes_sent;
	counters->broken += add.broken;
}

void module_instance_report(struct module_instance *instance, struct module_report *report,
	struct channel_machine *machine)
{
	const struct module_service_counters *service = module_service_counters(instance->service);
	eventfd_t answers;

	eventfd_read(instance->answer.fd, &answers);
	*report = (struct module_report){.kind = MODULE_ALIVE};
	for (unsigned i = 0; i < instance->server_count; i++)
		add_server_counters(instance->servers[i], &report->counters);
	/* The region's server is the last: the socket's has no machine. */
	*machine = channel_server_share_machine(instance->servers[instance->server_count - 1]);
	report->counters.would_wait = counter_get(&service->would_wait);
	report->counters.hung_up = counter_get(&service->hung_up);
	report->counters.workers = worker_pool_worker_count(instance->workers);
	report->counters.cpu_ns = counter_get(&sidecore_counters(instance->sidecore)->cpu_ns);
	pthread_mutex_lock(&instance->text_lock);
	memcpy(report->text, instance->text, sizeof report->text);
	pthread_mutex_unlock(&instance->text_lock);
}

/* ---- serving ---- */

static int start_sidecore(struct module_instance *instance, struct error *error)
{
	struct sidecore_config config = {
		.cpu = instance->description->cpu,
		.poll_ns_max = instance->description->poll_ns_max,
		.restricted_ring = &instance->ring,
	};
	int result;

	memcpy(config.name, instance->description->name, sizeof config.name);
	result = sidecore_start(&config, &instance->sidecore, error);
	instance->answer.sidecore = instance->sidecore;
	instance->answer.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return result;
}

/* As many workers as places, and one for the status. */
static int start_service(struct module_instance *instance, struct error *error)
{
	struct module_service_config config = {
		.module = instance->module,
		.instance = instance->module_instance,
		.server_count = instance->server_count,
		.connections_max = instance->description->connections,
		.message_bytes_max = instance->server_configs[0].message_bytes_max,
	};
	unsigned workers = instance->server_count * instance->description->connections + 1;
	int result = worker_pool_create(instance->sidecore, workers, &instance->workers, error);

	config.workers = instance->workers;
	return result < 0 ? result : module_service_create(&config, &instance->service, error);
}

static void close_entrances(const struct channel_server_config *config)
{
	const int fds[] = {config->listen_fd, config->region_fd, config->machine_listen_fd};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int start_servers(struct module_instance *instance, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < instance->server_count && result == 0; i++) {
		struct channel_server_config *config = &instance->server_configs[i];

		config->sidecore = instance->sidecore;
		config->context = module_service_context(instance->service, i);
		result = channel_server_create(config, &instance->servers[i], error);
	}
	for (unsigned i = 0; i < instance->server_count && result == 0; i++)
		result = channel_server_start(instance->servers[i], error);
	return result;
}

int module_instance_start(struct module_description *description,
	const struct gate_descriptors *gate, const struct channel_machine *machine,
	struct module_instance **instance, struct error *error)
{
	struct module_instance *made = calloc(1, sizeof *made);
	int result;

	if (!made)
		return error_set(error, -ENOMEM, "out of memory");
	made->description = description;
	made->status_job.run = read_status;
	made->status_job.done = status_read;
	pthread_mutex_init(&made->text_lock, NULL);
	*instance = made;
	result = open_all(made, machine, error);
	if (result == 0)
		result = open_gate(made, gate, error);
	if (result == 0)
		result = module_sandbox_enter(description, error);
	/* The module is all that has files from here on. */
	if (result == 0 && made->has_gate)
		gated_file_set_gate(&made->gate);
	if (result == 0)
		result = open_module(made, error);
	if (result == 0)
		result = start_sidecore(made, error);
	if (result == 0)
		result = start_service(made, error);
	if (result == 0)
		result = start_servers(made, error);
	return result;
}

void module_instance_stop(struct module_instance *instance)
{
	for (unsigned i = 0; i < instance->server_count; i++)
		channel_server_destroy(instance->servers[i]);
	worker_pool_destroy(instance->workers);
	module_service_destroy(instance->service);
	instance->module->close(instance->module_instance);
	sidecore_stop(instance->sidecore);
	if (instance->has_gate) {
		gated_file_set_gate(NULL);
		gate_client_close(&instance->gate);
	}
	for (unsigned i = 0; i < instance->server_count; i++)
		close_entrances(&instance->server_configs[i]);
	close(instance->answer.fd);
	pthread_mutex_destroy(&instance->text_lock);
	free(instance);
}
