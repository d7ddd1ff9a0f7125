#include "vmm/vcpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"

struct vcpu {
	struct exit_slot slot;
	struct vcpu_config config;
	int fd;
	struct kvm_run *run;
	struct kvm_statistics *statistics;
	pthread_t thread;
	sem_t may_start;
	bool is_joined;

	/* Shared with whoever stops it. */
	_Alignas(64) uint32_t is_stopping;
	pid_t thread_id; /* 0: not begun, or ended */
};

/* ---- the thread ---- */

static void fail_to_run(struct vcpu *vcpu, int reason)
{
	log_error("vm '%s': vCPU %u cannot go on: KVM does not run it: %s",
		vcpu->config.machine_name, vcpu->config.state.index, strerror(reason));
	vcpu->config.end(vcpu->config.context, EXIT_CRASH);
}

static void run_until_exit(struct vcpu *vcpu)
{
	struct exit_slot *slot = &vcpu->slot;
	int result = ioctl(vcpu->fd, KVM_RUN, NULL);
	uint64_t left_ns = clock_now_ns();
	unsigned reason;

	/* A signal; or a vCPU that has just received its start-up message, and shall be run again. */
	if (result < 0 && (errno == EINTR || errno == EAGAIN)) {
		counter_add(&slot->by_vcpu.exits[KVM_EXIT_INTR], 1);
		return;
	}
	if (result < 0) {
		fail_to_run(vcpu, errno);
		return;
	}
	reason = exit_reason_index(vcpu->run->exit_reason);
	counter_add(&slot->by_vcpu.exits[reason], 1);
	if (exit_reasons[reason].place != EXIT_ON_VCPU)
		exit_service_take(vcpu->config.service, slot, left_ns);
}

static int kick_signal(void)
{
	return SIGRTMIN;
}

static void begin_thread(struct vcpu *vcpu)
{
	char name[16];
	sigset_t kick;

	snprintf(name, sizeof name, "vcpu%u", vcpu->config.state.index);
	pthread_setname_np(pthread_self(), name);
	sigemptyset(&kick);
	sigaddset(&kick, kick_signal());
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	vcpu->slot.thread = pthread_self();
	__atomic_store_n(&vcpu->thread_id, gettid(), __ATOMIC_SEQ_CST);
}

static void *thread_main(void *argument)
{
	struct vcpu *vcpu = argument;

	begin_thread(vcpu);
	while (sem_wait(&vcpu->may_start) < 0)
		;
	while (!__atomic_load_n(&vcpu->is_stopping, __ATOMIC_SEQ_CST))
		run_until_exit(vcpu);
	__atomic_store_n(&vcpu->thread_id, 0, __ATOMIC_SEQ_CST);
	return NULL;
}

void vcpu_stop(struct vcpu *vcpu)
{
	pid_t thread_id;

	__atomic_store_n(&vcpu->is_stopping, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	/* A number, not a pthread_t: that of a thread that is being joined must not be used. */
	thread_id = __atomic_load_n(&vcpu->thread_id, __ATOMIC_SEQ_CST);
	if (thread_id != 0)
		syscall(SYS_tgkill, getpid(), thread_id, kick_signal());
}

void vcpu_start(struct vcpu *vcpu)
{
	sem_post(&vcpu->may_start);
}

void vcpu_join(struct vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
	vcpu->is_joined = true;
}

/* ---- making and ending it ---- */

static void no_action(int signal_number)
{
}

/* Not restarted: KVM_RUN is to return. */
static void take_kick_signal(void)
{
	const struct sigaction action = {.sa_handler = no_action};

	sigaction(kick_signal(), &action, NULL);
}

/* Other signals are for other threads. */
static int create_thread(struct vcpu *vcpu, const pthread_attr_t *attributes)
{
	sigset_t all, before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = -pthread_create(&vcpu->thread, attributes, thread_main, vcpu);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

static int start_thread(struct vcpu *vcpu, struct error *error)
{
	int cpu = vcpu->config.cpu;
	pthread_attr_t attributes;
	cpu_set_t set;
	int result = cpu >= CPU_SETSIZE ? -EINVAL : 0;

	pthread_attr_init(&attributes);
	if (result == 0 && cpu != SIDECORE_NOT_PINNED) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		result = -pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
	}
	if (result == 0)
		result = create_thread(vcpu, &attributes);
	pthread_attr_destroy(&attributes);
	if (result < 0)
		return error_set(error, result,
			"vCPU %u: no thread on CPU %d: %s; choose one of those that `nproc` and "
			"`taskset -p` show",
			vcpu->config.state.index, cpu, strerror(-result));
	return 0;
}

static int map_run(struct vcpu *vcpu, struct error *error)
{
	void *run = mmap(
		NULL, vcpu->config.kvm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);

	if (run == MAP_FAILED)
		return error_set(error, -errno, "vCPU %u: cannot be mapped: %s",
			vcpu->config.state.index, strerror(errno));
	vcpu->run = run;
	return 0;
}

/* A kernel without statistics runs guests as well. */
static void open_statistics(struct vcpu *vcpu)
{
	struct error error;

	if (vcpu->config.kvm->has_statistics &&
		kvm_statistics_open(vcpu->fd, &vcpu->statistics, &error) < 0)
		log_warning("vm '%s': vCPU %u: %s", vcpu->config.machine_name,
			vcpu->config.state.index, error.message);
}

static void set_up_slot(struct vcpu *vcpu)
{
	const struct exit_context context = {
		.machine_name = vcpu->config.machine_name,
		.vcpu = vcpu->config.state.index,
		.run = vcpu->run,
		.run_bytes = vcpu->config.kvm->run_bytes,
		.registers = vcpu->config.registers,
	};

	exit_slot_init(&vcpu->slot, &context, vcpu->config.spin_ns_max);
}

static int set_up(struct vcpu *vcpu, struct error *error)
{
	int result = map_run(vcpu, error);

	if (result < 0)
		return result;
	result = cpu_state_set(vcpu->config.kvm, vcpu->fd, &vcpu->config.state, error);
	if (result < 0)
		goto fail;
	open_statistics(vcpu);
	set_up_slot(vcpu);
	sem_init(&vcpu->may_start, 0, 0);
	take_kick_signal();
	result = start_thread(vcpu, error);
	if (result < 0)
		goto fail_thread;
	return 0;

fail_thread:
	sem_destroy(&vcpu->may_start);
	kvm_statistics_close(vcpu->statistics);
fail:
	munmap(vcpu->run, vcpu->config.kvm->run_bytes);
	return result;
}

int vcpu_create(const struct vcpu_config *config, struct vcpu **vcpu, struct error *error)
{
	struct vcpu *new_one = aligned_alloc(64, sizeof *new_one);
	int result;

	if (!new_one)
		return error_set(error, -ENOMEM, "vCPU %u: no memory", config->state.index);
	memset(new_one, 0, sizeof *new_one);
	new_one->config = *config;
	new_one->fd = ioctl(config->vm_fd, KVM_CREATE_VCPU, (unsigned long)config->state.index);
	if (new_one->fd < 0) {
		result = error_set(error, -errno, "vCPU %u: KVM does not make it: %s",
			config->state.index, strerror(errno));
		goto fail_fd;
	}
	result = set_up(new_one, error);
	if (result < 0)
		goto fail_set_up;
	*vcpu = new_one;
	return 0;

fail_set_up:
	close(new_one->fd);
fail_fd:
	free(new_one);
	return result;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (!vcpu)
		return;
	if (!vcpu->is_joined) {
		vcpu_stop(vcpu);
		vcpu_start(vcpu);
		vcpu_join(vcpu);
	}
	sem_destroy(&vcpu->may_start);
	kvm_statistics_close(vcpu->statistics);
	munmap(vcpu->run, vcpu->config.kvm->run_bytes);
	close(vcpu->fd);
	free(vcpu);
}

/* ---- what others want of it ---- */

struct exit_slot *vcpu_slot(struct vcpu *vcpu)
{
	return &vcpu->slot;
}

const struct kvm_statistics *vcpu_kvm_statistics(const struct vcpu *vcpu)
{
	return vcpu->statistics;
}

void *vcpu_coalesced_page(struct vcpu *vcpu)
{
	uint32_t page = vcpu->config.kvm->coalesced_page;

	return page ? (uint8_t *)vcpu->run + (size_t)page * (size_t)sysconf(_SC_PAGESIZE) : NULL;
}
