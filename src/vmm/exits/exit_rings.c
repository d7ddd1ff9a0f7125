#include "vmm/exits/exit_rings.h"

#include <errno.h>
#include <linux/kvm.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "vmm/layout.h"

/* A ring, and how its guest and its server wake each other. */
struct served_ring {
	struct exit_ring ring;
	struct exit_rings *rings;
	struct poller poller;
	struct doorbell doorbell; /* the guest's, at the server */
	struct caller caller;	  /* the server's, at the guest */
	unsigned message;	  /* of interrupts.h */
	bool is_reported;	  /* that it was stopped */
	bool is_watched;
};

struct exit_rings {
	struct exit_rings_config config;
	struct exit_rings_place place;
	struct register_range doorbells;
	uint8_t *memory;
	size_t memory_bytes;
	unsigned open_count; /* rings that have descriptors */
	bool is_added;	     /* the range of doorbells */
	sem_t quiet;	     /* posted once for each ring that the kernel has let go of */
	struct served_ring served[];
};

/* ---- serving, on the sidecore ---- */

static void report_if_stopped(struct served_ring *served)
{
	const struct exit_rings *rings = served->rings;

	if (served->ring.state == SLUICE_EXIT_RING_SERVED || served->is_reported)
		return;
	served->is_reported = true;
	log_warning("vm '%s': the exit ring of vCPU %td is not served any more: %s; a reset helps",
		rings->config.name, served - rings->served,
		exit_ring_state_text(served->ring.state));
}

/* Looking costs no lock; only who finds something takes its turn at the devices. */
static unsigned poll_ring(struct poller *poller, uint64_t now_ns)
{
	struct served_ring *served = container_of(poller, struct served_ring, poller);
	unsigned count;

	if (!exit_ring_is_pending(&served->ring))
		return 0;
	exit_service_enter(served->rings->place.service);
	count = exit_ring_poll(&served->ring);
	registers_come_by(served->rings->place.registers, EXIT_BY_POST);
	exit_service_leave(served->rings->place.service);
	report_if_stopped(served);
	return count;
}

static bool arm_ring(struct poller *poller)
{
	return exit_ring_arm(&container_of(poller, struct served_ring, poller)->ring);
}

static void disarm_ring(struct poller *poller)
{
	exit_ring_disarm(&container_of(poller, struct served_ring, poller)->ring);
}

/* What the vCPU had written before, KVM may have coalesced. */
static void catch_up(void *context)
{
	const struct served_ring *served = context;

	exit_service_drain(served->rings->place.service);
	registers_come_by(served->rings->place.registers, EXIT_BY_MEMORY);
}

static int set_interrupt(void *context, uint64_t address, uint32_t data)
{
	struct served_ring *served = context;

	return interrupts_set_message(
		served->rings->place.interrupts, served->message, address, data, address == 0);
}

static void interrupt(void *context)
{
	struct served_ring *served = context;

	sidecore_ring_caller(&served->caller);
}

static void start_all(void *argument)
{
	struct exit_rings *rings = argument;
	struct sidecore *sidecore = exit_service_sidecore(rings->place.service);

	for (unsigned i = 0; i < rings->open_count; i++) {
		sidecore_add_poller(sidecore, &rings->served[i].poller);
		sidecore_watch(sidecore, &rings->served[i].doorbell);
		rings->served[i].is_watched = true;
	}
}

static void post_if_quiet(struct served_ring *served)
{
	if (!served->is_watched && !served->caller.is_in_flight)
		sem_post(&served->rings->quiet);
}

static void unwatched(struct doorbell *doorbell)
{
	struct served_ring *served = container_of(doorbell, struct served_ring, doorbell);

	served->is_watched = false;
	post_if_quiet(served);
}

static void called(struct caller *caller)
{
	post_if_quiet(container_of(caller, struct served_ring, caller));
}

static void stop_all(void *argument)
{
	struct exit_rings *rings = argument;
	struct sidecore *sidecore = exit_service_sidecore(rings->place.service);

	for (unsigned i = 0; i < rings->open_count; i++) {
		struct served_ring *served = &rings->served[i];

		sidecore_remove_poller(sidecore, &served->poller);
		sidecore_redirect_caller(&served->caller, -1);
		served->caller.idle = called;
		sidecore_unwatch(&served->doorbell, unwatched);
	}
}

static void wait_until_quiet(struct exit_rings *rings)
{
	for (unsigned i = 0; i < rings->open_count; i++)
		while (sem_wait(&rings->quiet) < 0)
			;
}

/* ---- memory ---- */

static int give_memory(const struct exit_rings *rings, uint64_t size_bytes)
{
	const struct kvm_userspace_memory_region region = {
		.slot = EXIT_RINGS_MEMORY_SLOT,
		.guest_phys_addr = LAYOUT_EXIT_RINGS,
		.memory_size = size_bytes,
		.userspace_addr = (uintptr_t)rings->memory,
	};

	return ioctl(rings->place.vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0 ? -errno : 0;
}

static int map_memory(struct exit_rings *rings, struct error *error)
{
	int result;

	rings->memory_bytes = (size_t)rings->config.count * SLUICE_EXIT_RING_STRIDE_BYTES;
	rings->memory = mmap(NULL, rings->memory_bytes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (rings->memory == MAP_FAILED) {
		rings->memory = NULL;
		return error_set(error, -ENOMEM, "no memory for exit rings");
	}
	result = give_memory(rings, rings->memory_bytes);
	if (result < 0)
		return error_set(error, result, "KVM does not take the exit rings' memory: %s",
			strerror(-result));
	return 0;
}

/* ---- doorbells ---- */

/* An eventfd that KVM writes to when the ring's number is written to the port. */
static int assign_doorbell(const struct exit_rings *rings, unsigned index, uint32_t flags)
{
	const struct kvm_ioeventfd doorbell = {
		.datamatch = index,
		.addr = LAYOUT_PORT_EXIT_DOORBELL,
		.len = sizeof(uint32_t),
		.fd = rings->served[index].doorbell.fd,
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH | flags,
	};

	return ioctl(rings->place.vm_fd, KVM_IOEVENTFD, &doorbell) < 0 ? -errno : 0;
}

/* What KVM does not turn into a doorbell, a number that no ring has, comes here, and is ignored. */
static int add_doorbells(struct exit_rings *rings, struct error *error)
{
	int result;

	rings->doorbells = (struct register_range){
		.kind = REGISTER_EXIT_DOORBELL,
		.base = LAYOUT_PORT_EXIT_DOORBELL,
		.size_bytes = sizeof(uint32_t),
	};
	result = registers_add(rings->place.registers, &rings->doorbells);
	if (result < 0)
		return error_set(error, result, "the port of exit rings' doorbells is taken");
	rings->is_added = true;
	return 0;
}

/* ---- one ring ---- */

static int open_message(struct served_ring *served, struct error *error)
{
	struct interrupts *interrupts = served->rings->place.interrupts;
	int message = interrupts_add_message(interrupts, error);

	if (message < 0)
		return message;
	served->message = (unsigned)message;
	served->caller = (struct caller){
		.sidecore = exit_service_sidecore(served->rings->place.service),
		.fd = interrupts_message_fd(interrupts, served->message),
	};
	return 0;
}

static int open_ring(struct exit_rings *rings, unsigned index, struct error *error)
{
	struct served_ring *served = &rings->served[index];
	const struct exit_ring_config config = {
		.shared =
			(struct sluice_exit_ring *)(rings->memory +
						    (size_t)index * SLUICE_EXIT_RING_STRIDE_BYTES),
		.registers = rings->place.registers,
		.memory = rings->place.memory,
		.set_interrupt = set_interrupt,
		.interrupt = interrupt,
		.catch_up = catch_up,
		.context = served,
	};
	int result;

	served->rings = rings;
	served->poller = (struct poller){.poll = poll_ring, .arm = arm_ring, .disarm = disarm_ring};
	exit_ring_init(&served->ring, &config);
	result = open_message(served, error);
	if (result < 0)
		return result;
	served->doorbell = (struct doorbell){
		.poller = &served->poller, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	if (served->doorbell.fd < 0)
		return error_set(error, -errno, "no eventfd: %s", strerror(errno));
	result = assign_doorbell(rings, index, 0);
	if (result < 0) {
		close(served->doorbell.fd);
		return error_set(error, result, "KVM takes no doorbell for exit ring %u: %s", index,
			strerror(-result));
	}
	rings->open_count++;
	return 0;
}

static void close_ring(struct exit_rings *rings, unsigned index)
{
	assign_doorbell(rings, index, KVM_IOEVENTFD_FLAG_DEASSIGN);
	close(rings->served[index].doorbell.fd);
}

/* ---- all of them ---- */

static int open_all(struct exit_rings *rings, struct error *error)
{
	int result;

	result = map_memory(rings, error);
	if (result == 0)
		result = add_doorbells(rings, error);
	for (unsigned i = 0; result == 0 && i < rings->config.count; i++)
		result = open_ring(rings, i, error);
	return result;
}

static void close_all(struct exit_rings *rings)
{
	for (unsigned i = 0; i < rings->open_count; i++)
		close_ring(rings, i);
	if (rings->is_added)
		registers_remove(rings->place.registers, &rings->doorbells);
	if (rings->memory) {
		give_memory(rings, 0);
		munmap(rings->memory, rings->memory_bytes);
	}
	sem_destroy(&rings->quiet);
	free(rings);
}

int exit_rings_create(const struct exit_rings_config *config, const struct exit_rings_place *place,
	struct exit_rings **rings, struct error *error)
{
	struct exit_rings *all =
		calloc(1, sizeof *all + config->count * sizeof(struct served_ring));
	int result;

	if (!all)
		return error_set(error, -ENOMEM, "no memory for exit rings");
	all->config = *config;
	all->place = *place;
	sem_init(&all->quiet, 0, 0);
	result = open_all(all, error);
	if (result < 0) {
		close_all(all);
		return result;
	}
	sidecore_call(exit_service_sidecore(place->service), start_all, all);
	*rings = all;
	return 0;
}

void exit_rings_destroy(struct exit_rings *rings)
{
	if (!rings)
		return;
	sidecore_call(exit_service_sidecore(rings->place.service), stop_all, rings);
	wait_until_quiet(rings);
	close_all(rings);
}

void exit_rings_leaf(const struct exit_rings *rings, uint32_t leaf[4])
{
	leaf[0] = SLUICE_EXIT_RING_VERSION;
	leaf[1] = (uint32_t)LAYOUT_EXIT_RINGS;
	leaf[2] = SLUICE_EXIT_RING_STRIDE_BYTES;
	leaf[3] = rings->config.count;
}

const struct exit_ring_counters *exit_rings_counters(const struct exit_rings *rings, unsigned index)
{
	return &rings->served[index].ring.counters;
}

enum sluice_exit_ring_state exit_rings_state(const struct exit_rings *rings, unsigned index)
{
	return __atomic_load_n(&rings->served[index].ring.state, __ATOMIC_RELAXED);
}
