#include "cli/workload.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "cli/pattern.h"
#include "virtio/vhost_user_frontend.h"

#define SECTOR_BYTES 512u
#define QUEUE_SIZE_MIN 64u
#define QUEUE_SIZE_MAX 1024u /* that back ends commonly take */
#define COMPLETIONS_MAX 64u
#define LINE_BYTES 64u
#define STATUS_PENDING 0xff
#define CALL_WAIT_MS 100

/* Header and status of a request share a cache line of guest memory; the data is elsewhere. */
struct shared_slot {
	struct virtio_blk_outhdr header;
	uint8_t padding[LINE_BYTES - sizeof(struct virtio_blk_outhdr) - 1];
	uint8_t status;
};

struct slot {
	struct shared_slot *shared;
	uint8_t *data;
	uint64_t offset_bytes;
	uint64_t due_ns;
	struct slot *next_free;
	struct driver_segment segments[WORKLOAD_SEGMENTS_MAX + 2];
	bool is_write;
};

struct queue_state {
	struct slot slots[WORKLOAD_DEPTH_MAX];
	struct slot *free;
	unsigned in_flight;
};

struct workload {
	const struct workload_config *config;
	struct workload_result *result;
	struct vhost_user_frontend frontend;
	struct queue_state *queues;
	uint64_t block_count;
	uint64_t random;
	uint64_t issued;
	uint64_t started_ns;
	uint64_t now_ns;
	uint64_t next_due_ns; /* open loop: when the next burst is due */
	uint64_t due;	      /* open loop: requests that are due and not issued */
	bool is_checking;     /* the second pass of a verification */
	struct error *error;
};

/* ---- setting up ---- */

static size_t data_bytes(const struct workload_config *config)
{
	return (size_t)config->queue_count * config->depth *
	       (sizeof(struct shared_slot) + config->request_bytes);
}

static uint64_t wanted_features(const struct workload_config *config)
{
	return (config->is_packed ? 1ull << VIRTIO_F_RING_PACKED : 0) |
	       (config->has_event_index ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
	       (config->uses_indirect ? 1ull << VIRTIO_RING_F_INDIRECT_DESC : 0) |
	       1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_SEG_MAX |
	       (config->queue_count > 1 ? 1ull << VIRTIO_BLK_F_MQ : 0);
}

/* Room for all slots' descriptors: each with a header and a status, unless they are indirect. */
static unsigned needed_descriptors(const struct workload_config *config)
{
	return config->depth * (config->uses_indirect ? 1 : config->segments + 2);
}

static uint16_t queue_size(const struct workload_config *config)
{
	unsigned size = QUEUE_SIZE_MIN;

	while (size < needed_descriptors(config))
		size *= 2;
	return (uint16_t)size;
}

static int check_queue_size(const struct workload_config *config, struct error *error)
{
	if (needed_descriptors(config) <= QUEUE_SIZE_MAX)
		return 0;
	return error_set(error, -EINVAL,
		"%u requests of %u segments need %u descriptors and a queue has %u; use "
		"--indirect, "
		"or less of either",
		config->depth, config->segments, needed_descriptors(config), QUEUE_SIZE_MAX);
}

static int open_frontend(struct workload *workload)
{
	const struct workload_config *config = workload->config;
	const struct vhost_user_frontend_config frontend = {
		.socket_path = config->socket_path,
		.features = wanted_features(config),
		.queue_count = config->queue_count,
		.queue_size = queue_size(config),
		.segments_max = (uint16_t)(config->segments + 2),
		.indirect_above = config->uses_indirect ? 0 : DRIVER_RING_NEVER_INDIRECT,
		.data_bytes = data_bytes(config),
	};

	return vhost_user_frontend_open(&workload->frontend, &frontend, workload->error);
}

static int find_blocks(struct workload *workload)
{
	const struct workload_config *config = workload->config;
	struct virtio_blk_config disk = {0};
	uint64_t region_bytes;
	int result;

	result = vhost_user_frontend_read_config(
		&workload->frontend, &disk, (uint32_t)offsetof(struct virtio_blk_config, geometry));
	if (result < 0)
		return error_set(workload->error, result, "%s does not say how large it is: %s",
			config->socket_path, strerror(-result));
	workload->result->disk_bytes = disk.capacity * SECTOR_BYTES;
	region_bytes = config->region_bytes ? config->region_bytes : workload->result->disk_bytes;
	if (region_bytes > workload->result->disk_bytes || region_bytes < config->request_bytes)
		return error_set(workload->error, -EINVAL,
			"the disk has %llu bytes; the region does not fit, or no request fits it",
			(unsigned long long)workload->result->disk_bytes);
	workload->block_count = region_bytes / config->request_bytes;
	return 0;
}

/* The data of a slot in as many segments as asked for, all but the last of equal size. */
static void lay_out_segments(struct workload *workload, struct slot *slot)
{
	const struct workload_config *config = workload->config;
	struct vhost_user_frontend *frontend = &workload->frontend;
	uint64_t part = config->request_bytes / config->segments;

	slot->segments[0] = (struct driver_segment){
		vhost_user_frontend_address(frontend, &slot->shared->header),
		sizeof slot->shared->header};
	for (unsigned i = 0; i < config->segments; i++)
		slot->segments[1 + i] = (struct driver_segment){
			vhost_user_frontend_address(frontend, slot->data + i * part),
			(uint32_t)(i + 1 < config->segments ? part
							    : config->request_bytes - i * part)};
	slot->segments[1 + config->segments] = (struct driver_segment){
		vhost_user_frontend_address(frontend, &slot->shared->status), 1};
}

static int create_slots(struct workload *workload)
{
	const struct workload_config *config = workload->config;
	unsigned count = config->queue_count * config->depth;
	uint8_t *data = workload->frontend.data;
	struct shared_slot *shared = (void *)(data + count * config->request_bytes);

	workload->queues = calloc(config->queue_count, sizeof *workload->queues);
	if (!workload->queues)
		return error_set(workload->error, -ENOMEM, "no memory for %u requests", count);
	for (unsigned i = 0; i < count; i++) {
		struct queue_state *queue = &workload->queues[i / config->depth];
		struct slot *slot = &queue->slots[i % config->depth];

		slot->data = data + i * config->request_bytes;
		slot->shared = shared + i;
		lay_out_segments(workload, slot);
		slot->next_free = queue->free;
		queue->free = slot;
	}
	return 0;
}

/* ---- issuing ---- */

static uint64_t next_random(struct workload *workload)
{
	/* xorshift64: fast, and good enough to spread offsets. */
	workload->random ^= workload->random << 13;
	workload->random ^= workload->random >> 7;
	workload->random ^= workload->random << 17;
	return workload->random;
}

static void choose(struct workload *workload, struct slot *slot)
{
	const struct workload_config *config = workload->config;
	uint64_t block;

	if (config->verifies || config->is_sequential)
		block = workload->issued % workload->block_count;
	else
		block = next_random(workload) % workload->block_count;
	slot->offset_bytes = block * config->request_bytes;
	slot->is_write = config->verifies ? !workload->is_checking
					  : config->write_percent && next_random(workload) % 100 <
									     config->write_percent;
	if (config->verifies && slot->is_write)
		pattern_fill(slot->data, config->request_bytes, slot->offset_bytes);
}

static void issue(struct workload *workload, unsigned index, struct slot *slot, uint64_t due_ns)
{
	unsigned segments = workload->config->segments;

	choose(workload, slot);
	slot->due_ns = due_ns;
	slot->shared->status = STATUS_PENDING;
	slot->shared->header = (struct virtio_blk_outhdr){
		.type = slot->is_write ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN,
		.sector = slot->offset_bytes / SECTOR_BYTES,
	};
	driver_ring_add(&workload->frontend.queues[index].ring, slot->segments,
		slot->is_write ? 1 + segments : 1, slot->is_write ? 1 : 1 + segments, slot);
	workload->issued++;
}

/* Open loop: how many requests are due by now. */
static void advance_schedule(struct workload *workload)
{
	const struct workload_config *config = workload->config;

	while (workload->next_due_ns <= workload->now_ns) {
		workload->due += config->burst;
		workload->next_due_ns += config->burst * NS_PER_S / config->rate_per_s;
	}
}

static uint64_t request_limit(const struct workload *workload)
{
	if (workload->config->verifies)
		return workload->block_count;
	return workload->config->request_limit ? workload->config->request_limit : UINT64_MAX;
}

static bool may_issue(const struct workload *workload)
{
	return workload->issued < request_limit(workload) &&
	       (!workload->config->rate_per_s || workload->due > 0);
}

/* The oldest request that is due was due with a burst some intervals ago. */
static uint64_t due_time(const struct workload *workload)
{
	const struct workload_config *config = workload->config;
	uint64_t bursts_ago;

	if (!config->rate_per_s)
		return workload->now_ns;
	bursts_ago = (workload->due + config->burst - 1) / config->burst;
	return workload->next_due_ns - bursts_ago * (config->burst * NS_PER_S / config->rate_per_s);
}

static void fill_queue(struct workload *workload, unsigned index)
{
	struct queue_state *queue = &workload->queues[index];
	struct frontend_queue *frontend = &workload->frontend.queues[index];
	const uint64_t one = 1;

	while (queue->free && may_issue(workload)) {
		struct slot *slot = queue->free;

		queue->free = slot->next_free;
		issue(workload, index, slot, due_time(workload));
		queue->in_flight++;
		workload->due -= workload->config->rate_per_s > 0;
	}
	if (!driver_ring_publish(&frontend->ring))
		return;
	workload->result->kicks_sent++;
	/* A full eventfd is a kick that the back end has not looked at yet. */
	if (write(frontend->kick_fd, &one, sizeof one) < 0)
		return;
}

/* ---- completing ---- */

static void check_data(struct workload *workload, const struct slot *slot)
{
	struct workload_result *result = workload->result;

	if (!workload->is_checking ||
		pattern_matches(slot->data, workload->config->request_bytes, slot->offset_bytes))
		return;
	if (result->mismatches++ == 0)
		result->first_mismatch_offset = slot->offset_bytes;
}

static void complete(struct workload *workload, struct queue_state *queue, struct slot *slot)
{
	struct workload_result *result = workload->result;

	result->requests++;
	result->bytes += workload->config->request_bytes;
	histogram_record(&result->latency_ns, workload->now_ns - slot->due_ns);
	if (slot->shared->status == VIRTIO_BLK_S_OK)
		check_data(workload, slot);
	else
		result->errors++;
	slot->next_free = queue->free;
	queue->free = slot;
	queue->in_flight--;
}

static int collect(struct workload *workload, unsigned index)
{
	struct driver_completion done[COMPLETIONS_MAX];
	int count = driver_ring_poll(&workload->frontend.queues[index].ring, done, COMPLETIONS_MAX);

	if (count < 0)
		return error_set(workload->error, count,
			"the back end breaks the protocol on queue %u", index);
	if (count > 0)
		workload->now_ns = clock_now_ns();
	for (int i = 0; i < count; i++)
		complete(workload, &workload->queues[index], done[i].token);
	return count;
}

/* ---- waiting ---- */

static void sleep_until_called(struct workload *workload)
{
	struct pollfd events[FRONTEND_QUEUES_MAX];
	unsigned count = workload->config->queue_count;
	uint64_t value;

	for (unsigned i = 0; i < count; i++) {
		struct frontend_queue *queue = &workload->frontend.queues[i];

		if (driver_ring_enable_calls(&queue->ring))
			return;
		events[i] = (struct pollfd){.fd = queue->call_fd, .events = POLLIN};
	}
	if (poll(events, count, CALL_WAIT_MS) <= 0)
		return;
	for (unsigned i = 0; i < count; i++)
		if (events[i].revents && read(events[i].fd, &value, sizeof value) > 0)
			workload->result->calls_received++;
}

static bool anything_in_flight(const struct workload *workload)
{
	for (unsigned i = 0; i < workload->config->queue_count; i++)
		if (workload->queues[i].in_flight)
			return true;
	return false;
}

static int idle(struct workload *workload, unsigned *idle_rounds)
{
	if (workload->config->waits_for_calls && anything_in_flight(workload))
		sleep_until_called(workload);
	else
		cpu_relax();
	workload->now_ns = clock_now_ns();
	/* Rarely: a system call in the loop would be measured, too. */
	if (++*idle_rounds % 65536 == 0 && vhost_user_frontend_is_disconnected(&workload->frontend))
		return error_set(workload->error, -ECONNRESET, "the back end has hung up");
	return 0;
}

/* ---- running ---- */

static bool is_over(const struct workload *workload, const volatile int *interrupted)
{
	if (*interrupted || workload->issued >= request_limit(workload))
		return true;
	return !workload->config->verifies &&
	       workload->now_ns - workload->started_ns >= workload->config->duration_ns;
}

/* One look at every queue. Returns how much was completed or a negative errno. */
static int run_round(struct workload *workload, bool issues)
{
	int total = 0;

	if (issues && workload->config->rate_per_s)
		advance_schedule(workload);
	for (unsigned i = 0; i < workload->config->queue_count; i++) {
		int count = collect(workload, i);

		if (count < 0)
			return count;
		total += count;
		if (issues)
			fill_queue(workload, i);
	}
	return total;
}

static int run_pass(struct workload *workload, const volatile int *interrupted)
{
	unsigned idle_rounds = 0;
	bool issues = true;

	workload->issued = 0;
	workload->started_ns = workload->now_ns = workload->next_due_ns = clock_now_ns();
	while (issues || anything_in_flight(workload)) {
		int count = run_round(workload, issues);

		if (count == 0)
			count = idle(workload, &idle_rounds);
		if (count < 0)
			return count;
		issues = issues && !is_over(workload, interrupted);
	}
	workload->result->elapsed_ns += workload->now_ns - workload->started_ns;
	return 0;
}

static int run_passes(struct workload *workload, const volatile int *interrupted)
{
	uint64_t cpu_ns = clock_thread_cpu_ns();
	int result = run_pass(workload, interrupted);

	if (result == 0 && workload->config->verifies && !*interrupted) {
		workload->is_checking = true;
		result = run_pass(workload, interrupted);
	}
	workload->result->cpu_ns = clock_thread_cpu_ns() - cpu_ns;
	return result;
}

int workload_run(const struct workload_config *config, const volatile int *interrupted,
	struct workload_result *result, struct error *error)
{
	struct workload workload = {
		.config = config, .result = result, .random = 0x9e3779b97f4a7c15, .error = error};
	int status;

	memset(result, 0, sizeof *result);
	status = check_queue_size(config, error);
	if (status < 0)
		return status;
	if (config->cpu >= 0 && cpu_pin_thread(config->cpu) < 0)
		return error_set(error, -EINVAL, "cannot run on CPU %d", config->cpu);
	status = open_frontend(&workload);
	if (status < 0)
		return status;
	status = find_blocks(&workload);
	if (status == 0)
		status = create_slots(&workload);
	if (status == 0)
		status = run_passes(&workload, interrupted);
	vhost_user_frontend_close(&workload.frontend);
	free(workload.queues);
	return status;
}
