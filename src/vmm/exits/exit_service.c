/* Handling exits, on a hypervisor core or on the vCPUs' own. See exit_service.h for the theory of operation. */
#include "vmm/exits/exit_service.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "vmm/exits/coalescing.h"

#define EXITS_PER_POLL 16u /* so that others on the same core get their turn */

struct exit_service {
	struct exit_service_config config;
	struct exit_slot *const *slots;
	unsigned slot_count;
	unsigned
		next_slot; /* where looking for posts begins, so that none is served last for ever */
	struct coalescing coalescing;

	struct poller poller;
	struct doorbell doorbell;
	int doorbell_fd;
	sem_t unwatched;

	pthread_mutex_t lock; /* what one thread at a time means, when the split is off */

	/* Shared with other threads. */
	_Alignas(64) uint32_t is_parked;
	uint32_t is_dropping;
};

/* ---- handling one exit ---- */

static void count_handled(struct exit_slot *slot)
{
	if (pthread_equal(pthread_self(), slot->thread))
		counter_add(&slot->by_vcpu.handled, 1);
	else
		counter_add(&slot->by_core.handled, 1);
}

static void handle(struct exit_service *service, struct exit_slot *slot)
{
	const struct exit_context *context = &slot->context;
	unsigned reason = exit_reason_index(context->run->exit_reason);
	enum exit_verdict verdict;

	if (__atomic_load_n(&service->is_dropping, __ATOMIC_ACQUIRE)) {
		counter_add(&slot->by_core.dropped, 1);
		return;
	}
	count_handled(slot);
	verdict = exit_reasons[reason].handle(context);
	if (verdict != EXIT_GO_ON)
		service->config.end(service->config.context, verdict);
}

/* ---- the poller ---- */

/* The order matters: what a vCPU has written before it posted is in the ring when its post is seen. */
static unsigned find_posts(struct exit_service *service, struct exit_slot **posts)
{
	unsigned count = 0;
	unsigned place = service->next_slot;

	for (unsigned i = 0; i < service->slot_count && count < EXITS_PER_POLL; i++) {
		if (exit_slot_is_posted(service->slots[place]))
			posts[count++] = service->slots[place];
		place = (place + 1) % service->slot_count;
	}
	service->next_slot = place;
	return count;
}

static unsigned poll_exits(struct poller *poller, uint64_t now_ns)
{
	struct exit_service *service = container_of(poller, struct exit_service, poller);
	struct exit_slot *posts[EXITS_PER_POLL];
	unsigned post_count = find_posts(service, posts);
	unsigned writes = coalescing_drain(&service->coalescing);

	for (unsigned i = 0; i < post_count; i++) {
		handle(service, posts[i]);
		exit_slot_answer(posts[i]);
	}
	if (post_count > 0)
		coalescing_consider(&service->coalescing);
	return writes + post_count;
}

static bool has_work(const struct exit_service *service)
{
	for (unsigned i = 0; i < service->slot_count; i++)
		if (exit_slot_is_posted(service->slots[i]))
			return true;
	return !coalescing_is_empty(&service->coalescing);
}

static bool park(struct poller *poller)
{
	struct exit_service *service = container_of(poller, struct exit_service, poller);

	coalescing_stop(&service->coalescing);
	__atomic_store_n(&service->is_parked, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return has_work(service);
}

static void unpark(struct poller *poller)
{
	struct exit_service *service = container_of(poller, struct exit_service, poller);

	__atomic_store_n(&service->is_parked, 0, __ATOMIC_SEQ_CST);
}

/* ---- vCPUs' threads ---- */

static void ring_if_parked(struct exit_service *service, struct exit_slot *slot)
{
	const uint64_t one = 1;

	/* Pairs with the fence in park. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&service->is_parked, __ATOMIC_SEQ_CST))
		return;
	counter_add(&slot->by_vcpu.doorbells, 1);
	while (write(service->doorbell_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

void exit_service_take(struct exit_service *service, struct exit_slot *slot, uint64_t left_ns)
{
	uint64_t done_ns;

	if (service->config.is_split) {
		exit_slot_post(slot);
		ring_if_parked(service, slot);
		done_ns = exit_slot_wait(slot, left_ns);
	} else {
		pthread_mutex_lock(&service->lock);
		handle(service, slot);
		pthread_mutex_unlock(&service->lock);
		done_ns = clock_now_ns();
	}
	histogram_record(&slot->by_vcpu.lost_ns, done_ns - left_ns);
}

/* ---- devices ---- */

struct sidecore *exit_service_sidecore(struct exit_service *service)
{
	return service->config.sidecore;
}

void exit_service_enter(struct exit_service *service)
{
	if (!service->config.is_split)
		pthread_mutex_lock(&service->lock);
}

void exit_service_leave(struct exit_service *service)
{
	if (!service->config.is_split)
		pthread_mutex_unlock(&service->lock);
}

void exit_service_drain(struct exit_service *service)
{
	coalescing_drain(&service->coalescing);
}

/* ---- from the first exit to the last ---- */

static void attach(void *argument)
{
	struct exit_service *service = argument;

	service->doorbell.poller = &service->poller;
	service->doorbell.fd = service->doorbell_fd;
	sidecore_watch(service->config.sidecore, &service->doorbell);
	sidecore_add_poller(service->config.sidecore, &service->poller);
}

static void unwatched(struct doorbell *doorbell)
{
	struct exit_service *service = container_of(doorbell, struct exit_service, doorbell);

	sem_post(&service->unwatched);
}

static void detach(void *argument)
{
	struct exit_service *service = argument;

	coalescing_stop(&service->coalescing);
	coalescing_drain(&service->coalescing); /* the last words on a console */
	sidecore_remove_poller(service->config.sidecore, &service->poller);
	sidecore_unwatch(&service->doorbell, unwatched);
}

void exit_service_start(struct exit_service *service, struct exit_slot *const *slots,
	unsigned slot_count, const struct exit_service_coalescing *coalescing)
{
	service->slots = slots;
	service->slot_count = slot_count;
	coalescing_init(&service->coalescing, coalescing->vm_fd, coalescing->has_ports,
		service->config.registers, coalescing->page, coalescing->page_bytes);
	if (service->config.is_split)
		sidecore_call(service->config.sidecore, attach, service);
}

void exit_service_stop(struct exit_service *service)
{
	if (!service->config.is_split) {
		/* Who holds it may be ending the machine, and is not done with the vCPUs then. */
		pthread_mutex_lock(&service->lock);
		pthread_mutex_unlock(&service->lock);
		return;
	}
	sidecore_call(service->config.sidecore, detach, service);
	while (sem_wait(&service->unwatched) < 0)
		;
}

void exit_service_drop(struct exit_service *service)
{
	__atomic_store_n(&service->is_dropping, 1, __ATOMIC_RELEASE);
}

void exit_service_counters(
	const struct exit_service *service, struct exit_service_counters *counters)
{
	const struct coalescing *coalescing = &service->coalescing;

	counters->coalesced_writes = counter_get(&coalescing->ring.writes);
	counters->coalesced_invalid = counter_get(&coalescing->ring.invalid);
	counters->coalescing_switched = counter_get(&coalescing->switched_on);
}

int exit_service_create(const struct exit_service_config *config, struct exit_service **service,
	struct error *error)
{
	struct exit_service *new_one = aligned_alloc(64, sizeof *new_one);

	if (!new_one)
		return error_set(error, -ENOMEM, "no memory for the service of exits");
	memset(new_one, 0, sizeof *new_one);
	new_one->config = *config;
	new_one->poller = (struct poller){.poll = poll_exits, .arm = park, .disarm = unpark};
	new_one->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (new_one->doorbell_fd < 0) {
		int result = error_set(error, -errno, "no eventfd for exits: %s", strerror(errno));

		free(new_one);
		return result;
	}
	sem_init(&new_one->unwatched, 0, 0);
	pthread_mutex_init(&new_one->lock, NULL);
	*service = new_one;
	return 0;
}

void exit_service_destroy(struct exit_service *service)
{
	pthread_mutex_destroy(&service->lock);
	sem_destroy(&service->unwatched);
	close(service->doorbell_fd);
	free(service);
}
