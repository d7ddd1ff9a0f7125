#include "vmm/process/vm_life.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log_source.h"

#define TRY_AGAIN_US 100000u

struct vm_life {
	const struct machine_config *config;
	const struct kvm *kvm;
	pthread_t thread;
	int over_fd;

	/* The thread's: what a guest that does nothing but reboot has it say. */
	char label[MACHINE_NAME_BYTES + sizeof "VM ''"];
	struct log_source log;

	pthread_mutex_t lock; /* of what follows */
	struct machine *machine;
	unsigned reboots;
	bool is_stopping;

	/* What the thread leaves when it is over. */
	int end;
	struct error error;
};

/* From here on others can reach it. Returns false if it need not run any more. */
static bool publish(struct vm_life *life, struct machine *machine)
{
	bool is_wanted;

	pthread_mutex_lock(&life->lock);
	life->machine = machine;
	is_wanted = !life->is_stopping;
	pthread_mutex_unlock(&life->lock);
	return is_wanted;
}

static void withdraw(struct vm_life *life, int end)
{
	pthread_mutex_lock(&life->lock);
	life->machine = NULL;
	life->reboots += end == MACHINE_RESET;
	pthread_mutex_unlock(&life->lock);
}

static bool is_stopping(struct vm_life *life)
{
	bool is_stopping;

	pthread_mutex_lock(&life->lock);
	is_stopping = life->is_stopping;
	pthread_mutex_unlock(&life->lock);
	return is_stopping;
}

/* A back end that is being restarted costs a guest that runs a pause, so it costs one that reboots no more. */
static bool should_try_again(struct vm_life *life, int result)
{
	return (result == -ENOENT || result == -ECONNREFUSED) && vm_life_reboots(life) &&
	       !is_stopping(life);
}

static int create_machine(struct vm_life *life, struct machine **machine)
{
	int result = machine_create(life->config, life->kvm, machine, &life->error);

	if (should_try_again(life, result))
		log_from(&life->log, LOG_LEVEL_WARNING, "cannot boot again yet: %s",
			life->error.message);
	while (should_try_again(life, result)) {
		usleep(TRY_AGAIN_US);
		result = machine_create(life->config, life->kvm, machine, &life->error);
	}
	return result;
}

/* Returns how it ended, or a negative errno. */
static int run_once(struct vm_life *life)
{
	struct machine *machine;
	int result = create_machine(life, &machine);
	int end = MACHINE_STOPPED;

	if (result < 0)
		return is_stopping(life) ? MACHINE_STOPPED : result;
	if (publish(life, machine))
		end = (int)machine_run(machine);
	withdraw(life, end);
	machine_destroy(machine);
	return end;
}

static void *live(void *argument)
{
	struct vm_life *life = argument;

	do {
		life->end = run_once(life);
		if (life->end == MACHINE_RESET)
			log_from(&life->log, LOG_LEVEL_INFO, "reboots");
	} while (life->end == MACHINE_RESET);
	eventfd_write(life->over_fd, 1);
	return NULL;
}

static void free_life(struct vm_life *life)
{
	if (life->over_fd >= 0)
		close(life->over_fd);
	pthread_mutex_destroy(&life->lock);
	free(life);
}

int vm_life_begin(const struct machine_config *machine, const struct kvm *kvm,
	struct vm_life **life, struct error *error)
{
	struct vm_life *begun = calloc(1, sizeof *begun);
	int result;

	if (!begun)
		return error_set(error, -ENOMEM, "out of memory");
	begun->config = machine;
	begun->kvm = kvm;
	snprintf(begun->label, sizeof begun->label, "VM '%s'", machine->name);
	begun->log.name = begun->label;
	pthread_mutex_init(&begun->lock, NULL);
	begun->over_fd = eventfd(0, EFD_CLOEXEC);
	result = begun->over_fd < 0 ? errno : pthread_create(&begun->thread, NULL, live, begun);
	if (result) {
		free_life(begun);
		return error_set(
			error, -result, "cannot start the VM's thread: %s", strerror(result));
	}
	*life = begun;
	return 0;
}

int vm_life_over_fd(const struct vm_life *life)
{
	return life->over_fd;
}

int vm_life_end(struct vm_life *life, struct error *error)
{
	int end;

	pthread_join(life->thread, NULL);
	end = life->end;
	if (end < 0)
		*error = life->error;
	free_life(life);
	return end;
}

void vm_life_press_power_button(struct vm_life *life)
{
	pthread_mutex_lock(&life->lock);
	if (life->machine)
		machine_press_power_button(life->machine);
	pthread_mutex_unlock(&life->lock);
}

void vm_life_stop(struct vm_life *life)
{
	pthread_mutex_lock(&life->lock);
	life->is_stopping = true;
	if (life->machine)
		machine_stop(life->machine);
	pthread_mutex_unlock(&life->lock);
}

unsigned vm_life_reboots(struct vm_life *life)
{
	unsigned reboots;

	pthread_mutex_lock(&life->lock);
	reboots = life->reboots;
	pthread_mutex_unlock(&life->lock);
	return reboots;
}

bool vm_life_look(struct vm_life *life, void (*look)(const struct machine *machine, void *context),
	void *context)
{
	bool is_there;

	pthread_mutex_lock(&life->lock);
	is_there = life->machine != NULL;
	if (is_there)
		look(life->machine, context);
	pthread_mutex_unlock(&life->lock);
	return is_there;
}
