/*
 * Requests that a hostile guest puts into a sound ring, against a disk on a back end that looks: the
 * first byte chooses what disk and ring there are; the rest is a script of requests, and of what the
 * back end does with them, when, and in what order, while front ends come and go.
 *
 * Whatever they are, the back end is never asked for anything beyond the disk or outside of a request's
 * own segments, every request is given back once and with a status, nothing else of the guest's memory
 * changes, and what changes is in the dirty log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk/disk_private.h"
#include "script.h"
#include "sidecore_here.h"
#include "virtio/driver_ring.h"
#include "virtio/inflight.h"

#define DISK_BYTES 32768u
#define RING_SIZE 64u
#define RING_BYTES (192u << 10)
#define SEGMENTS_MAX 140u
#define DATA_ADDRESS (16u << 20) /* of the second region */
#define DATA_BYTES 32768u
#define STATUS_AT (DATA_BYTES - 4096u) /* in it: where statuses are, and no data */
#define PAGE_BYTES 4096u
#define UNWRITTEN 0xee

static struct disk *disk;
static struct guest_memory guest;
static int log_file;
static uint8_t *ring_memory;
static uint8_t *data;
static uint8_t expected[DATA_BYTES];	/* the data as the driver has written it */
static uint8_t is_readable[DATA_BYTES]; /* in some request's readable segments */
static uint8_t is_writable[DATA_BYTES];
static struct driver_ring driver;
static struct virtqueue_setup setup;
static unsigned next_status;
static unsigned status_of[RING_SIZE * SEGMENTS_MAX]; /* by token; 0: not looked at */

/* ---- the back end ---- */

struct looking_backend {
	struct backend backend;
	uint8_t *bytes; /* from the heap, so that ASan knows where they end */
};

static struct backend_request *held[RING_SIZE];
static unsigned held_count;
static bool holds;
static int next_result;

static void check_segments(const struct backend_request *request, const uint8_t *is_allowed)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < request->segment_count; i++) {
		const struct iovec *segment = &request->segments[i];
		size_t at = (size_t)((uint8_t *)segment->iov_base - data);

		bytes += segment->iov_len;
		if (at > DATA_BYTES || segment->iov_len > DATA_BYTES - at ||
			memchr(is_allowed + at, false, segment->iov_len))
			abort();
	}
	if (bytes != request->length_bytes || request->segment_count > BACKEND_SEGMENTS_MAX)
		abort();
}

static void check(const struct backend_request *request)
{
	if (request->offset_bytes % 512 || request->length_bytes % 512 ||
		request->offset_bytes > DISK_BYTES ||
		request->length_bytes > DISK_BYTES - request->offset_bytes)
		abort();
	if (disk->config.is_read_only && request->operation != BACKEND_READ &&
		request->operation != BACKEND_FLUSH)
		abort();
	if (request->operation == BACKEND_READ)
		check_segments(request, is_writable);
	if (request->operation == BACKEND_WRITE)
		check_segments(request, is_readable);
}

static void transfer(const struct looking_backend *backend, const struct backend_request *request)
{
	uint8_t *bytes = backend->bytes + request->offset_bytes;

	for (unsigned i = 0; i < request->segment_count; i++) {
		const struct iovec *segment = &request->segments[i];

		if (request->operation == BACKEND_READ)
			memcpy(segment->iov_base, bytes, segment->iov_len);
		else
			memcpy(bytes, segment->iov_base, segment->iov_len);
		bytes += segment->iov_len;
	}
	if (request->operation == BACKEND_WRITE_ZEROES || request->operation == BACKEND_DISCARD)
		memset(bytes, 0, request->length_bytes);
}

static void complete(struct backend_request *request)
{
	transfer((struct looking_backend *)disk->backend, request);
	request->complete(request, next_result);
}

static void looking_submit(struct backend *backend, struct backend_request *request)
{
	check(request);
	if (!holds) {
		complete(request);
		return;
	}
	if (held_count == RING_SIZE)
		abort();
	held[held_count++] = request;
}

static int looking_open(
	const struct backend_options *options, struct backend **backend, struct error *error)
{
	static struct looking_backend looking;
	extern const struct backend_ops looking_ops;

	looking = (struct looking_backend){
		.backend = {.ops = &looking_ops,
			.size_bytes = DISK_BYTES,
			.block_bytes = 512,
			.completes_inline = true},
		.bytes = calloc(1, DISK_BYTES),
	};
	*backend = &looking.backend;
	return 0;
}

const struct backend_ops looking_ops = {
	.name = "looking",
	.open = looking_open,
	.submit = looking_submit,
};

/* ---- the guest ---- */

static void write_data(size_t at, const void *bytes, size_t count)
{
	if (at + count > DATA_BYTES)
		return;
	memcpy(data + at, bytes, count);
	memcpy(expected + at, bytes, count);
}

struct request_plan {
	struct driver_segment segments[SEGMENTS_MAX];
	unsigned readable, writable;
};

/* Appended in the order of the script; readable ones come first whatever that is. */
static void append(struct request_plan *plan, uint64_t at, uint32_t size_bytes, bool for_writing)
{
	unsigned count = plan->readable + plan->writable;

	if (at < STATUS_AT && size_bytes > STATUS_AT - at)
		size_bytes = (uint32_t)(STATUS_AT - at);
	if (count == SEGMENTS_MAX || (!for_writing && plan->writable))
		return;
	plan->segments[count] = (struct driver_segment){DATA_ADDRESS + at, size_bytes};
	plan->readable += !for_writing;
	plan->writable += for_writing;
	memset((for_writing ? is_writable : is_readable) + at, true,
		at + size_bytes < DATA_BYTES ? size_bytes : DATA_BYTES - at);
}

static uint64_t next_sector(struct script *script)
{
	uint8_t sector = next_u8(script);

	return sector < 240 ? sector % (DISK_BYTES / 512 + 2) : next_u64(script);
}

/* Within the data, but for one in a while that breaks the ring. */
static uint32_t next_place(struct script *script)
{
	uint16_t at = next_u16(script);

	return at % 4096 == 4095 ? DATA_BYTES - 16 : at % (STATUS_AT - 16);
}

static uint32_t next_size(struct script *script)
{
	uint8_t size = next_u8(script);

	return size < 128 ? size % 17 * 512u : size < 160 ? size : size * 16u % 8192;
}

static void plan_header(struct script *script, struct request_plan *plan, uint32_t type)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = next_sector(script)};
	const uint8_t cut = next_u8(script);
	const uint32_t at = next_place(script);
	const uint32_t first_bytes = cut < 16 ? cut : sizeof header;

	write_data(at, &header, sizeof header);
	append(plan, at, first_bytes, false);
	if (cut != 15)
		append(plan, at + first_bytes, (uint32_t)sizeof header - first_bytes, false);
}

static void plan_ranges(struct script *script, struct request_plan *plan)
{
	const unsigned count = next_choice(script, BLK_RANGES_MAX + 3);
	const uint32_t at = next_place(script) % (STATUS_AT - 1024);
	const uint8_t cut = next_u8(script);

	for (unsigned i = 0; i < count; i++) {
		const struct virtio_blk_discard_write_zeroes range = {
			.sector = next_sector(script),
			.num_sectors = (uint32_t)next_sector(script),
			.flags = next_u8(script) < 250 ? i & 1 : 2,
		};

		write_data(at + i * sizeof range, &range, sizeof range);
	}
	append(plan, at, cut < count * 16 ? cut : count * 16, false);
	if (cut < count * 16)
		append(plan, at + cut, count * 16 - cut, false);
}

static void plan_transfer(struct script *script, struct request_plan *plan, bool for_writing)
{
	unsigned count = next_u8(script);

	count = count < 250 ? count % 6 : 124 + count - 250;
	for (unsigned i = 0; i < count; i++)
		append(plan, next_place(script), count > 6 ? 512 : next_size(script), for_writing);
}

/* A byte where no data is, or the last one of the data, or none at all. */
static unsigned plan_status(struct script *script, struct request_plan *plan)
{
	uint8_t choice = next_u8(script);
	unsigned at = STATUS_AT + next_status++ % 4096;

	if (choice > 240)
		return 0;
	append(plan, at, 1, true);
	data[at] = expected[at] = UNWRITTEN;
	return at;
}

static void add_request(struct script *script)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, 1u << 31, 12};
	const uint8_t choice = next_u8(script);
	const uint32_t type = types[choice % 8];
	bool is_in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct request_plan plan = {.readable = 0};
	static uintptr_t token;
	unsigned status;

	token = token % (sizeof status_of / sizeof *status_of - 1) + 1;
	plan_header(script, &plan, type);
	if (type == VIRTIO_BLK_T_DISCARD || type == VIRTIO_BLK_T_WRITE_ZEROES)
		plan_ranges(script, &plan);
	else
		plan_transfer(script, &plan, choice > 248 ? !is_in : is_in);
	status = plan_status(script, &plan);
	if (driver_ring_add(&driver, plan.segments, plan.readable, plan.writable, (void *)token))
		return;
	status_of[token] = status;
}

static void collect(void)
{
	struct driver_completion done[8];
	int count;

	while ((count = driver_ring_poll(&driver, done, 8)) > 0)
		for (int i = 0; i < count; i++) {
			unsigned status = status_of[(uintptr_t)done[i].token];

			if (status && (data[status] > VIRTIO_BLK_S_UNSUPP || !done[i].size_bytes))
				abort();
		}
	if (count < 0)
		abort();
}

static void publish(struct script *script)
{
	driver_ring_publish(&driver);
	sidecore_here_run();
	collect();
}

/* ---- the back end's turns ---- */

static void complete_one(struct script *script)
{
	const unsigned index = next_u8(script);
	struct backend_request *request;

	if (held_count == 0)
		return;
	request = held[index % held_count];
	held[index % held_count] = held[held_count - 1];
	held_count--;
	complete(request);
}

static void choose_result(struct script *script)
{
	static const int results[] = {0, 0, -EIO, -EOPNOTSUPP, -ENOSPC};

	next_result = results[next_choice(script, sizeof results / sizeof *results)];
}

static void hold(struct script *script)
{
	holds = !holds;
}

static void complete_all(void)
{
	struct script none = {NULL, 0};

	holds = false;
	while (held_count)
		complete_one(&none);
}

/* ---- the front end's turns ---- */

static void start_queue(void)
{
	const struct vhost_user_bells no_bells = {-1, -1, -1};
	struct error error;

	if (disk_queue_start(disk, 0, &setup, &no_bells, &error) < 0)
		abort();
}

static void stop_queue(void)
{
	disk_queue_stop(disk, 0);
	if (disk->in_flight)
		abort();
}

/* It goes, and comes again: what the device had not begun is done by the next one. */
static void reconnect(struct script *script)
{
	if (!setup.inflight || disk->queues[0].served.virtqueue.broken)
		return;
	disk_abandon_requests(disk);
	complete_all();
	stop_queue();
	collect();
	disk->is_abandoned = false;
	start_queue();
}

static void (*const operations[])(struct script *script) = {
	add_request,
	add_request,
	add_request,
	publish,
	complete_one,
	complete_one,
	choose_result,
	hold,
	reconnect,
};

/* ---- one run ---- */

static uint8_t *add_region(uint64_t guest_address, size_t size_bytes)
{
	const struct vhost_user_memory_region region = {.guest_address = guest_address,
		.user_address = guest_address,
		.size_bytes = size_bytes};
	int file = memfd_create("fuzz", 0);
	uint64_t available_bytes;

	if (ftruncate(file, (off_t)size_bytes) < 0 ||
		guest_memory_add(&guest, &region, file, NULL) < 0)
		abort();
	close(file);
	return guest_memory_span(&guest, guest_address, &available_bytes);
}

static void set_up_once(void)
{
	disk = sidecore_here_disk(&looking_ops, DISK_BYTES, 1);
	ring_memory = add_region(0, RING_BYTES);
	data = add_region(DATA_ADDRESS, DATA_BYTES);
	log_file = memfd_create("log", 0);
	if (ftruncate(log_file, PAGE_BYTES) < 0)
		abort();
}

static void open_ring(uint8_t options)
{
	const struct driver_ring_config config = {.size = RING_SIZE,
		.segments_max = SEGMENTS_MAX,
		.indirect_above = options & 1 ? 0 : 8,
		.is_packed = options & 2};

	if (driver_ring_memory_bytes(&config) > RING_BYTES ||
		driver_ring_init(&driver, &config, ring_memory, 0) < 0)
		abort();
	setup = (struct virtqueue_setup){
		.size = RING_SIZE,
		.is_packed = options & 2,
		.memory = &guest,
		.descriptor_address = (uint64_t)((uint8_t *)driver.descriptor_area - ring_memory),
		.driver_address = (uint64_t)((uint8_t *)driver.driver_area - ring_memory),
		.device_address = (uint64_t)((uint8_t *)driver.device_area - ring_memory),
		.base = driver_ring_base(&driver),
	};
	if (options & 64) {
		setup.inflight_bytes = inflight_queue_bytes(setup.is_packed, RING_SIZE);
		setup.inflight = calloc(1, setup.inflight_bytes);
	}
}

static void choose_disk(uint8_t options)
{
	disk->config.is_read_only = options & 4;
	disk->is_write_through = options & 8;
	disk->backend->can_discard = options & 16;
	if (options & 32 && dirty_log_map(&guest.log, log_file, 0, PAGE_BYTES) < 0)
		abort();
}

static void reset(void)
{
	memset(ring_memory, 0, RING_BYTES);
	memset(data, 0, DATA_BYTES);
	memset(expected, 0, DATA_BYTES);
	memset(is_readable, false, DATA_BYTES);
	memset(is_writable, false, DATA_BYTES);
	if (ftruncate(log_file, 0) < 0 || ftruncate(log_file, PAGE_BYTES) < 0)
		abort();
	next_status = 0;
	next_result = 0;
	holds = false;
}

static bool is_logged(size_t at)
{
	const size_t page = (DATA_ADDRESS + at) / PAGE_BYTES;

	return !guest.log.bits || guest.log.bits[page / 8] >> page % 8 & 1;
}

static void check_page(size_t start)
{
	for (size_t i = start; i < start + PAGE_BYTES; i++)
		if (data[i] != expected[i] && (!is_writable[i] || !is_logged(i)))
			abort();
}

static void check_memory(void)
{
	for (size_t at = 0; at < DATA_BYTES; at += PAGE_BYTES)
		if (memcmp(data + at, expected + at, PAGE_BYTES) != 0)
			check_page(at);
}

static void finish(struct script *script)
{
	complete_all();
	publish(script);
	publish(script);
	if (driver.in_flight && !disk->queues[0].served.virtqueue.broken)
		abort();
	stop_queue();
	collect();
	check_memory();
	driver_ring_free(&driver);
	dirty_log_unmap(&guest.log);
	free(setup.inflight);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct script script = {bytes, size};
	uint8_t options;

	if (!disk)
		set_up_once();
	reset();
	options = next_u8(&script);
	open_ring(options);
	choose_disk(options);
	start_queue();
	while (script.left)
		operations[next_choice(&script, sizeof operations / sizeof *operations)](&script);
	finish(&script);
	return 0;
}
