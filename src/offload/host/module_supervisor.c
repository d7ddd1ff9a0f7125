#include "offload/host/module_supervisor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "offload/host/module_cgroup.h"
#include "offload/host/module_ending.h"
#include "offload/host/module_process.h"
#include "offload/host/module_reports.h"
#include "offload/host/module_voice.h"

#define PING_EVERY_NS (2 * NS_PER_S)
#define ANSWER_NS_MAX (10 * NS_PER_S)
#define START_NS_MAX (600 * NS_PER_S) /* a store that was killed may have much to read again */
#define CLOSE_NS_MAX (12 * NS_PER_S)  /* the process's own alarm is earlier */
#define PAUSE_NS_FIRST (100 * NS_PER_MS)
#define PAUSE_NS_MAX (10 * NS_PER_S)
#define GOOD_RUN_NS (60 * NS_PER_S) /* after this, the next pause is the first again */
#define FRESH_NS_MAX (500 * NS_PER_MS)

const char *const module_state_words[] = {
	[MODULE_STATE_STARTING] = "starting",
	[MODULE_STATE_RUNNING] = "running",
	[MODULE_STATE_CLOSING] = "closing",
	[MODULE_STATE_WAITING] = "waiting to start again",
	[MODULE_STATE_ENDED] = "ended",
};

struct module_supervisor {
	struct module_description description;
	char program[PATH_MAX];
	char log_name[MODULE_NAME_BYTES + 16];
	struct gate *gate; /* NULL: there is none */
	pthread_t thread;
	int wake_fd; /* there is something new below */

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t answered;
	bool is_stopping, is_restart_wanted;
	int ended_fd;		     /* rung at the end; -1: nobody asks */
	uint64_t questions, answers; /* by those who want a status that is fresh */
	struct module_status status;

	/* The thread's. */
	struct module_process process;
	char cgroup[PATH_MAX]; /* empty: none */
	struct module_reports reports;
	struct module_voice voice;
	const char *crime; /* for which it was killed, or NULL */
	bool is_asked_to_close;
	uint64_t asked; /* `questions` when the last ping was sent */
	uint64_t ping_at_ns;
	uint64_t deadline_ns; /* of the answer that is due; UINT64_MAX: none */
	uint64_t pause_ns;
};

/* ---- what others see ---- */

static void set_state(struct module_supervisor *supervisor, enum module_state state)
{
	pthread_mutex_lock(&supervisor->lock);
	supervisor->status.state = state;
	supervisor->status.pid = supervisor->process.pid;
	pthread_cond_broadcast(&supervisor->answered);
	pthread_mutex_unlock(&supervisor->lock);
}

static void set_trouble(struct module_supervisor *supervisor, const char *text)
{
	pthread_mutex_lock(&supervisor->lock);
	snprintf(supervisor->status.trouble, sizeof supervisor->status.trouble, "%.*s",
		ERROR_MESSAGE_BYTES - 1, text);
	pthread_mutex_unlock(&supervisor->lock);
}

static void take_answer(struct module_supervisor *supervisor, const struct module_report *report)
{
	pthread_mutex_lock(&supervisor->lock);
	supervisor->status.counters = report->counters;
	memcpy(supervisor->status.text, report->text, sizeof report->text);
	supervisor->answers = supervisor->asked;
	pthread_cond_broadcast(&supervisor->answered);
	pthread_mutex_unlock(&supervisor->lock);
}

/* ---- starting ---- */

/* Returns a descriptor of its cgroup, or a negative one. */
static int limit(struct module_supervisor *supervisor)
{
	int fd = module_cgroup_make_own(&supervisor->description, supervisor->cgroup);

	pthread_mutex_lock(&supervisor->lock);
	supervisor->status.has_limits = fd >= 0;
	pthread_mutex_unlock(&supervisor->lock);
	return fd;
}

/* A process that starts now is what was wished for. */
static void begin(struct module_supervisor *supervisor)
{
	pthread_mutex_lock(&supervisor->lock);
	if (supervisor->is_restart_wanted)
		supervisor->pause_ns = PAUSE_NS_FIRST;
	supervisor->is_restart_wanted = false;
	*supervisor->status.trouble = '\0';
	*supervisor->status.text = '\0';
	supervisor->status.counters = (struct module_counters){0};
	pthread_mutex_unlock(&supervisor->lock);
}

static int start(struct module_supervisor *supervisor)
{
	const struct module_inheritance inheritance = {limit(supervisor), supervisor->gate,
		supervisor->reports.machine, module_voice_open(&supervisor->voice)};
	struct error error;
	int result = module_process_start(supervisor->program, &supervisor->description,
		&inheritance, &supervisor->process, &error);

	if (inheritance.cgroup_fd >= 0)
		close(inheritance.cgroup_fd);
	if (inheritance.error_fd >= 0)
		close(inheritance.error_fd);
	if (result < 0) {
		set_trouble(supervisor, error.message);
		return result;
	}
	module_reports_begin(&supervisor->reports);
	supervisor->crime = NULL;
	supervisor->is_asked_to_close = false;
	supervisor->ping_at_ns = UINT64_MAX;
	supervisor->deadline_ns = clock_now_ns() + START_NS_MAX;
	set_state(supervisor, MODULE_STATE_STARTING);
	return 0;
}

/* ---- watching ---- */

/* Asked to, or by itself. */
static void begin_closing(struct module_supervisor *supervisor, uint64_t now_ns)
{
	if (supervisor->process.link < 0)
		return;
	supervisor->ping_at_ns = UINT64_MAX;
	supervisor->deadline_ns = now_ns + CLOSE_NS_MAX;
	module_process_close_link(&supervisor->process);
	set_state(supervisor, MODULE_STATE_CLOSING);
}

static void ready(struct module_supervisor *supervisor, const struct module_report *report)
{
	supervisor->deadline_ns = UINT64_MAX;
	supervisor->ping_at_ns = 0;
	set_state(supervisor, MODULE_STATE_RUNNING);
	log_info("module '%s': runs, process %d", supervisor->description.name,
		(int)supervisor->process.pid);
}

static void failed(struct module_supervisor *supervisor, const struct module_report *report)
{
	set_trouble(supervisor, report->text);
}

static void alive(struct module_supervisor *supervisor, const struct module_report *report)
{
	supervisor->deadline_ns = UINT64_MAX;
	take_answer(supervisor, report);
}

static void end_process(struct module_supervisor *supervisor, const char *crime)
{
	log_error("module '%s': %s; its process is killed", supervisor->description.name, crime);
	supervisor->crime = crime;
	supervisor->deadline_ns = UINT64_MAX;
	supervisor->ping_at_ns = UINT64_MAX;
	kill(supervisor->process.pid, SIGKILL);
}

/* Returns false when there is nothing more. */
static bool take_report(struct module_supervisor *supervisor)
{
	static void (*const handlers[])(
		struct module_supervisor * supervisor, const struct module_report *report) = {
		[MODULE_READY] = ready, [MODULE_FAILED] = failed, [MODULE_ALIVE] = alive};
	struct module_report report;
	enum module_said said =
		module_reports_take(&supervisor->reports, supervisor->process.link, &report);

	if (said == MODULE_SAID_REPORT)
		handlers[report.kind](supervisor, &report);
	if (said == MODULE_SAID_NONSENSE)
		end_process(supervisor, "said what nobody has asked for");
	if (said == MODULE_SAID_NONSENSE || said == MODULE_SAID_END)
		begin_closing(supervisor, clock_now_ns());
	return said == MODULE_SAID_REPORT;
}

static void ping(struct module_supervisor *supervisor, uint64_t now_ns)
{
	uint64_t number;

	pthread_mutex_lock(&supervisor->lock);
	number = supervisor->asked = supervisor->questions;
	pthread_mutex_unlock(&supervisor->lock);
	if (!module_reports_ping(&supervisor->reports, supervisor->process.link, number))
		return;
	supervisor->ping_at_ns = now_ns + PING_EVERY_NS;
	if (supervisor->deadline_ns == UINT64_MAX)
		supervisor->deadline_ns = now_ns + ANSWER_NS_MAX;
}

/* Others want something. */
static void wake_up(struct module_supervisor *supervisor, uint64_t now_ns)
{
	bool is_to_close, is_question;
	eventfd_t value;

	eventfd_read(supervisor->wake_fd, &value);
	pthread_mutex_lock(&supervisor->lock);
	is_to_close = supervisor->is_stopping || supervisor->is_restart_wanted;
	is_question = supervisor->questions != supervisor->asked;
	pthread_mutex_unlock(&supervisor->lock);
	supervisor->is_asked_to_close |= is_to_close;
	if (is_to_close)
		begin_closing(supervisor, now_ns);
	else if (is_question && supervisor->ping_at_ns != UINT64_MAX)
		ping(supervisor, now_ns);
}

static void keep_time(struct module_supervisor *supervisor, uint64_t now_ns)
{
	if (now_ns >= supervisor->deadline_ns)
		end_process(supervisor, supervisor->process.link < 0 ? "did not close in time"
								     : "did not answer in time");
	else if (now_ns >= supervisor->ping_at_ns && supervisor->process.link >= 0)
		ping(supervisor, now_ns);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static int timeout_ms(const struct module_supervisor *supervisor, uint64_t now_ns)
{
	const uint64_t at_ns = earlier(earlier(supervisor->deadline_ns, supervisor->ping_at_ns),
		module_voice_wake_ns(&supervisor->voice, now_ns));

	if (at_ns == UINT64_MAX)
		return -1;
	return at_ns <= now_ns ? 0 : (int)((at_ns - now_ns) / NS_PER_MS + 1);
}

/* Until the process has ended. */
static void watch(struct module_supervisor *supervisor)
{
	bool has_ended = false;

	while (!has_ended) {
		const uint64_t now_ns = clock_now_ns();
		struct pollfd fds[] = {
			{supervisor->process.pid_fd, POLLIN, 0},
			{supervisor->process.link, POLLIN, 0},
			{supervisor->wake_fd, POLLIN, 0},
			{module_voice_poll_fd(&supervisor->voice, now_ns), POLLIN, 0},
		};

		if (poll(fds, sizeof fds / sizeof *fds, timeout_ms(supervisor, now_ns)) < 0)
			continue;
		/* What it has said last comes before its end. */
		if (fds[3].revents)
			module_voice_relay(&supervisor->voice, clock_now_ns());
		if (fds[1].revents)
			take_report(supervisor);
		if (fds[2].revents)
			wake_up(supervisor, clock_now_ns());
		has_ended = fds[0].revents != 0;
		if (!has_ended)
			keep_time(supervisor, clock_now_ns());
	}
}

/* ---- the end ---- */

static void explain(struct module_supervisor *supervisor, int status)
{
	const struct module_ending ending = {
		.status = status,
		.crime = supervisor->crime,
		.was_asked_to_close = supervisor->is_asked_to_close,
		.has_said_why = *supervisor->status.trouble,
		.has_memory_limit = supervisor->description.memory_bytes_max != 0,
	};
	char text[ERROR_MESSAGE_BYTES];

	if (module_ending_explain(&ending, text, sizeof text))
		set_trouble(supervisor, text);
}

static void run_once(struct module_supervisor *supervisor)
{
	uint64_t started_at_ns = clock_now_ns();
	int status;

	begin(supervisor);
	if (start(supervisor) < 0)
		return;
	watch(supervisor);
	/* Others may have its end of the link, and never close it. */
	while (supervisor->process.link >= 0 && take_report(supervisor))
		;
	module_process_close_link(&supervisor->process);
	status = module_process_reap(&supervisor->process);
	module_voice_close(&supervisor->voice);
	explain(supervisor, status);
	if (clock_now_ns() - started_at_ns >= GOOD_RUN_NS)
		supervisor->pause_ns = PAUSE_NS_FIRST;
}

/* Whether it is to be started again. */
static bool wait_for_next(struct module_supervisor *supervisor)
{
	struct pollfd wake = {supervisor->wake_fd, POLLIN, 0};
	bool is_wanted, is_at_once;

	pthread_mutex_lock(&supervisor->lock);
	is_wanted = !supervisor->is_stopping;
	is_at_once = supervisor->is_restart_wanted;
	supervisor->status.restarts += is_wanted;
	pthread_mutex_unlock(&supervisor->lock);
	if (!is_wanted || is_at_once) {
		supervisor->pause_ns = PAUSE_NS_FIRST;
		return is_wanted;
	}
	log_error("module '%s': %s; starts again in %llu ms", supervisor->description.name,
		supervisor->status.trouble, (unsigned long long)(supervisor->pause_ns / NS_PER_MS));
	set_state(supervisor, MODULE_STATE_WAITING);
	poll(&wake, 1, (int)(supervisor->pause_ns / NS_PER_MS));
	supervisor->pause_ns *= 2;
	if (supervisor->pause_ns > PAUSE_NS_MAX)
		supervisor->pause_ns = PAUSE_NS_MAX;
	pthread_mutex_lock(&supervisor->lock);
	is_wanted = !supervisor->is_stopping;
	pthread_mutex_unlock(&supervisor->lock);
	return is_wanted;
}

static void end(struct module_supervisor *supervisor)
{
	set_state(supervisor, MODULE_STATE_ENDED);
	pthread_mutex_lock(&supervisor->lock);
	if (supervisor->ended_fd >= 0)
		eventfd_write(supervisor->ended_fd, 1);
	pthread_mutex_unlock(&supervisor->lock);
}

static void *supervise(void *argument)
{
	struct module_supervisor *supervisor = argument;

	do
		run_once(supervisor);
	while (wait_for_next(supervisor));
	/* The process may not remove anything outside its directory. */
	unlink(supervisor->description.socket);
	unlink(supervisor->description.doorbell); /* empty is nothing */
	module_reports_drop_machine(&supervisor->reports);
	module_voice_close(&supervisor->voice);
	if (*supervisor->cgroup)
		module_cgroup_remove(supervisor->cgroup);
	end(supervisor);
	return NULL;
}

/* ---- from outside ---- */

static void init(struct module_supervisor *supervisor)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&supervisor->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&supervisor->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	supervisor->ended_fd = -1;
	supervisor->pause_ns = PAUSE_NS_FIRST;
	supervisor->reports.machine = (struct channel_machine){-1, -1};
	supervisor->process = (struct module_process){.pid_fd = -1, .link = -1};
}

static void free_all(struct module_supervisor *supervisor)
{
	if (supervisor->wake_fd >= 0)
		close(supervisor->wake_fd);
	pthread_cond_destroy(&supervisor->answered);
	pthread_mutex_destroy(&supervisor->lock);
	free(supervisor);
}

int module_supervisor_create(const struct module_description *description, const char *program,
	struct gate *gate, struct module_supervisor **supervisor, struct error *error)
{
	struct module_supervisor *made = calloc(1, sizeof *made);
	int result;

	if (!made)
		return error_set(error, -ENOMEM, "out of memory");
	init(made);
	made->description = *description;
	snprintf(made->log_name, sizeof made->log_name, "module '%s'", description->name);
	made->voice = (struct module_voice){.log.name = made->log_name, .fd = -1};
	made->gate = gate;
	snprintf(made->program, sizeof made->program, "%s", program);
	made->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	result = made->wake_fd < 0 ? errno : pthread_create(&made->thread, NULL, supervise, made);
	if (result) {
		free_all(made);
		return error_set(error, -result, "module '%s': no thread: %s", description->name,
			strerror(result));
	}
	*supervisor = made;
	return 0;
}

static void wish(struct module_supervisor *supervisor, bool *wish)
{
	pthread_mutex_lock(&supervisor->lock);
	*wish = true;
	pthread_mutex_unlock(&supervisor->lock);
	eventfd_write(supervisor->wake_fd, 1);
}

void module_supervisor_stop(struct module_supervisor *supervisor, int ended_fd)
{
	pthread_mutex_lock(&supervisor->lock);
	supervisor->ended_fd = ended_fd;
	pthread_mutex_unlock(&supervisor->lock);
	wish(supervisor, &supervisor->is_stopping);
}

void module_supervisor_restart(struct module_supervisor *supervisor)
{
	wish(supervisor, &supervisor->is_restart_wanted);
}

void module_supervisor_destroy(struct module_supervisor *supervisor)
{
	module_supervisor_stop(supervisor, -1);
	pthread_join(supervisor->thread, NULL);
	if (supervisor->gate)
		gate_destroy(supervisor->gate);
	free_all(supervisor);
}

/* With the lock held. */
static void wait_for_answer(struct module_supervisor *supervisor)
{
	uint64_t until_ns = clock_now_ns() + FRESH_NS_MAX, question = ++supervisor->questions;
	const struct timespec until = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};
	int result = 0;

	eventfd_write(supervisor->wake_fd, 1);
	while (result == 0 && supervisor->answers < question &&
		supervisor->status.state == MODULE_STATE_RUNNING)
		result = pthread_cond_timedwait(&supervisor->answered, &supervisor->lock, &until);
}

void module_supervisor_status(
	struct module_supervisor *supervisor, bool is_fresh, struct module_status *status)
{
	pthread_mutex_lock(&supervisor->lock);
	if (is_fresh && supervisor->status.state == MODULE_STATE_RUNNING)
		wait_for_answer(supervisor);
	*status = supervisor->status;
	pthread_mutex_unlock(&supervisor->lock);
}

struct gate *module_supervisor_gate(const struct module_supervisor *supervisor)
{
	return supervisor->gate;
}

const struct module_description *module_supervisor_description(
	const struct module_supervisor *supervisor)
{
	return &supervisor->description;
}
