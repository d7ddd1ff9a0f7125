#include "control/host/host_modules.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/configuration/module_paths.h"
#include "control/configuration/module_values.h"
#include "control/configuration/references.h"
#include "control/configuration/values.h"
#include "control/socket/run_directory.h"

#define LEAVE_NS_MAX (2 * NS_PER_S) /* other commands wait meanwhile */

/* To be freed; NULL if there is no memory. The settings have been checked. */
static struct module_description *describe(const struct module_settings *settings)
{
	struct problems *unused = calloc(1, sizeof *unused);
	struct module_description *description = unused ? malloc(sizeof *description) : NULL;

	if (description)
		values_of_module(settings, "", run_directory(), description, unused);
	free(unused);
	return description;
}

/* NULL: its I/O is charged to none. */
static struct pool *pool_of(const struct host *host, const struct module_settings *settings)
{
	struct problems *unused = module_has_gate(settings) ? calloc(1, sizeof *unused) : NULL;
	int index = -1;

	if (unused)
		index = reference_to_pool(host->configuration, settings->pool, "", unused);
	free(unused);
	return index < 0 ? NULL : host->pools[index];
}

/* Its place in the pool that its I/O is charged to, if it is. */
static int open_gate(const struct host *host, const struct module_settings *settings,
	struct gate **gate, struct error *error)
{
	struct problems *unused = calloc(1, sizeof *unused);
	struct gate_config config;

	*gate = NULL;
	if (!unused)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(config.name, sizeof config.name, "%s", settings->name);
	values_of_slo(settings->slo, "", &config.slo, unused);
	free(unused);
	return gate_create(pool_of(host, settings), &config, gate, error);
}

/* One that cannot be watched over is logged and left out. */
static struct module_supervisor *start(
	const struct host *host, const struct module_settings *settings)
{
	struct module_description *description = describe(settings);
	struct module_supervisor *supervisor = NULL;
	struct error error;
	struct gate *gate = NULL;
	char program[PATH_MAX];
	int result = error_set(&error, -ENOMEM, "module '%s': out of memory", settings->name);

	if (description && module_paths_program(program))
		result = module_has_gate(settings) ? open_gate(host, settings, &gate, &error) : 0;
	if (result == 0)
		result = module_supervisor_create(description, program, gate, &supervisor, &error);
	if (result < 0 && gate)
		gate_destroy(gate);
	if (result < 0)
		log_error("%s", error.message);
	free(description);
	return supervisor;
}

/* ---- those that leave ---- */

/* Whether a module that is to begin has to wait for one that leaves. */
static bool is_in_the_way(const struct module_supervisor *leaving,
	const struct module_description *next, const struct pool *pool)
{
	const struct module_description *last = module_supervisor_description(leaving);
	const struct gate *gate = module_supervisor_gate(leaving);

	return strcmp(last->name, next->name) == 0 ||
	       strcmp(last->directory, next->directory) == 0 ||
	       strcmp(last->socket, next->socket) == 0 ||
	       (*next->region && strcmp(last->region, next->region) == 0) ||
	       (pool && gate && gate_pool(gate) == pool);
}

int host_modules_fd(const struct host *host)
{
	return host->modules ? host->modules_fd : -1;
}

bool host_module_waits(const struct host *host, unsigned index)
{
	const struct module_settings *settings = &host->configuration->modules[index];
	const struct pool *pool = pool_of(host, settings);
	struct module_description *description;
	bool waits = false;

	if (host->modules[index] || !host->leaving_count)
		return false;
	description = describe(settings);
	for (unsigned i = 0; i < host->leaving_count && description && !waits; i++)
		waits = is_in_the_way(host->leaving[i], description, pool);
	free(description);
	return waits;
}

static void forget_ended(struct host *host)
{
	struct module_status status;
	unsigned kept = 0;
	eventfd_t rings;

	eventfd_read(host->modules_fd, &rings);
	for (unsigned i = 0; i < host->leaving_count; i++) {
		module_supervisor_status(host->leaving[i], false, &status);
		if (status.state == MODULE_STATE_ENDED)
			module_supervisor_destroy(host->leaving[i]);
		else
			host->leaving[kept++] = host->leaving[i];
	}
	host->leaving_count = kept;
}

static void wait_for_leaving(struct host *host)
{
	const uint64_t until_ns = clock_now_ns() + LEAVE_NS_MAX;
	struct pollfd ended = {host->modules_fd, POLLIN, 0};
	uint64_t now_ns;

	for (;;) {
		forget_ended(host);
		now_ns = clock_now_ns();
		if (!host->leaving_count || now_ns >= until_ns)
			return;
		poll(&ended, 1, (int)((until_ns - now_ns) / NS_PER_MS + 1));
	}
}

static int make_room_for_leaving(struct host *host)
{
	const size_t most = host->leaving_count + host->configuration->modules_count + 1u;
	struct module_supervisor **leaving = realloc(host->leaving, most * sizeof *leaving);

	if (!leaving)
		return -ENOMEM;
	host->leaving = leaving;
	return 0;
}

static void withdraw(struct host *host, unsigned index)
{
	struct module_supervisor *supervisor = host->modules[index];

	log_info("module '%s': ended by reload", host->configuration->modules[index].name);
	host->leaving[host->leaving_count++] = supervisor;
	host->modules[index] = NULL;
	module_supervisor_stop(supervisor, host->modules_fd);
}

/* ---- changes ---- */

/* As it would be written, to be freed; it has no end but its length. */
static char *text_of(struct module_settings *settings, size_t *length)
{
	const struct configuration part = {.modules = settings, .modules_count = 1};
	char *text;

	return configuration_save(&part, &text, length) < 0 ? NULL : text;
}

/* But for the SLO, which changes while the module runs. */
static bool is_same_module(struct module_settings *now, struct module_settings *then)
{
	struct module_settings now_alone = *now, then_alone = *then;
	size_t now_length, then_length;
	char *now_text, *then_text;
	bool is_same;

	now_alone.slo = then_alone.slo = NULL;
	now_text = text_of(&now_alone, &now_length);
	then_text = text_of(&then_alone, &then_length);
	is_same = module_has_gate(now) == module_has_gate(then) && now_text && then_text &&
		  now_length == then_length && memcmp(now_text, then_text, now_length) == 0;

	free(now_text);
	free(then_text);
	return is_same;
}

static struct module_settings *find_settings(
	const struct configuration *configuration, const char *name)
{
	for (unsigned i = 0; i < configuration->modules_count; i++)
		if (strcmp(configuration->modules[i].name, name) == 0)
			return &configuration->modules[i];
	return NULL;
}

int host_withdraw_modules(struct host *host, const struct configuration *next, struct error *error)
{
	if (make_room_for_leaving(host) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < host->configuration->modules_count; i++) {
		struct module_settings *now = &host->configuration->modules[i];
		struct module_settings *then = find_settings(next, now->name);

		if (host->modules[i] && (!then || !is_same_module(now, then)))
			withdraw(host, i);
	}
	wait_for_leaving(host);
	return 0;
}

int host_set_module_slo(
	struct host *host, const struct module_settings *settings, struct error *error)
{
	int index = host_find_module(host, settings->name, NULL);
	struct module_supervisor *supervisor = index < 0 ? NULL : host->modules[index];
	struct gate *gate = supervisor ? module_supervisor_gate(supervisor) : NULL;
	struct problems *unused = gate ? calloc(1, sizeof *unused) : NULL;
	struct slo slo;
	int result = 0;

	if (!gate)
		return 0;
	if (!unused)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_slo(settings->slo, "", &slo, unused);
	/* Setting the same again would refill the buckets. */
	if (!slo_is_equal(&slo, &gate_config(gate)->slo))
		result = gate_set_slo(gate, &slo, error);
	free(unused);
	return result;
}

int host_exchange_modules(struct host *host, struct configuration *next, struct error *error)
{
	struct module_supervisor **modules = calloc(next->modules_count + 1u, sizeof *modules);
	struct module_settings *settings = host->configuration->modules;
	uint32_t count = host->configuration->modules_count;

	if (!modules)
		return error_set(error, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < next->modules_count; i++) {
		int index = host_find_module(host, next->modules[i].name, NULL);

		modules[i] = index < 0 ? NULL : host->modules[index];
	}
	free(host->modules);
	host->modules = modules;
	host->configuration->modules = next->modules;
	host->configuration->modules_count = next->modules_count;
	next->modules = settings;
	next->modules_count = count;
	return 0;
}

/* ---- all of them ---- */

void host_settle_modules(struct host *host)
{
	forget_ended(host);
	for (unsigned i = 0; i < host->configuration->modules_count; i++)
		if (!host->modules[i] && !host_module_waits(host, i))
			host->modules[i] = start(host, &host->configuration->modules[i]);
}

int host_start_modules(struct host *host, struct error *error)
{
	host->modules = calloc(host->configuration->modules_count + 1u, sizeof *host->modules);
	host->modules_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!host->modules || host->modules_fd < 0)
		return error_set(error, -errno, "no room for modules: %s", strerror(errno));
	host_settle_modules(host);
	return 0;
}

static void destroy_all(struct module_supervisor **modules, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (modules[i])
			module_supervisor_destroy(modules[i]);
}

void host_stop_modules(struct host *host)
{
	const unsigned count = host->modules ? host->configuration->modules_count : 0;

	/* All at once: each may take its time. */
	for (unsigned i = 0; i < count; i++)
		if (host->modules[i])
			module_supervisor_stop(host->modules[i], -1);
	destroy_all(host->modules, count);
	destroy_all(host->leaving, host->leaving_count);
	if (host->modules && host->modules_fd >= 0)
		close(host->modules_fd);
	free(host->modules);
	free(host->leaving);
	host->modules = host->leaving = NULL;
	host->leaving_count = 0;
}
