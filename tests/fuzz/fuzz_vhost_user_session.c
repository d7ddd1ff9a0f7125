/*
 * A front end and a guest that do anything, against a real disk in memory: the input is a script of
 * messages with and without descriptors, of writes to rings and to the in-flight region, and of turns
 * of the sidecore that serves the rings.
 *
 * Whatever it is, every message is answered or ends the session, and a session that has ended leaves
 * nothing: no descriptor, no request, no running queue.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "disk/disk_private.h"
#include "script.h"
#include "sidecore_here.h"
#include "virtio/inflight.h"
#include "virtio/vhost_user_session.h"

#define DISK_BYTES 65536u
#define QUEUES 3u
#define MEMORY_BYTES 65536u
#define USER_ADDRESS 0x100000u /* of the guest's first byte */
#define DRIVER_AREA 4096u      /* of the ring that is set up as it should be */
#define DEVICE_AREA 8192u
#define INFLIGHT_AT 32768u /* in the guest's memory: it can scribble over it, too */
#define ACTIONS_MAX 150u

static struct disk *disk;
static struct vhost_user_operations operations; /* the disk's, and a look at what it starts */
static struct vhost_user_backend_config config;
static struct vhost_user_session session;
static struct log_source lines;
static int front_end;
static bool has_ended;
static uint8_t *memory; /* the front end's mapping of what it shares */
static size_t memory_bytes;
static int pipe_fds[2];
static int channel[2]; /* for the back end's requests, which nobody reads */

/* What can be sent along. */
enum { KICK, FULL, MEMORY, HUGE_MEMORY, INFLIGHT, NOT_AN_EVENT, CHANNEL, FILES };
static int files[FILES];

/* ---- the back end ---- */

/* What lies behind the region may be mapped as well, so nothing else would tell. */
static void check_inflight(const struct virtqueue_setup *setup)
{
	const struct guarded_mapping *mapping = session.inflight.mapping;
	size_t offset_bytes, needed_bytes;

	if (!setup->inflight)
		return;
	if (!mapping)
		abort();
	offset_bytes = (uintptr_t)setup->inflight - mapping->start;
	needed_bytes = inflight_queue_bytes(setup->is_packed, setup->size);
	if (offset_bytes > mapping->size_bytes || needed_bytes > mapping->size_bytes - offset_bytes)
		abort();
}

static int start_queue(void *device, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	int result = disk_operations.start_queue(device, index, setup, bells, error);

	if (result == 0)
		check_inflight(setup);
	return result;
}

static void keep_inflight_file(struct vhost_user_message *reply)
{
	int fd = vhost_user_take_fd(reply, 0);

	if (fd < 0)
		return;
	dup2(fd, files[INFLIGHT]);
	close(fd);
}

static void take_replies(void)
{
	struct pollfd event = {.fd = front_end, .events = POLLIN};

	while (poll(&event, 1, 0) > 0 && !(event.revents & (POLLHUP | POLLERR))) {
		struct vhost_user_message reply;

		if (vhost_user_receive(front_end, &reply) < 0)
			abort();
		keep_inflight_file(&reply);
		vhost_user_close_fds(&reply);
	}
}

static void send_message(const struct vhost_user_message *message)
{
	if (vhost_user_send(front_end, message) < 0)
		abort();
	has_ended = session_serve_message(&session) < 0;
	take_replies();
}

static void look_for_trouble(void)
{
	const char *reason = config.operations->trouble(config.device);

	if (reason)
		session_report_trouble(&session, reason);
}

/* ---- messages: mostly with values that get somewhere ---- */

static uint32_t next_queue(struct script *script)
{
	uint8_t index = next_u8(script);

	return index < 240 ? index % QUEUES : index;
}

static uint64_t next_user_address(struct script *script)
{
	uint16_t address = next_u16(script);

	return address % 2 ? next_u64(script) : USER_ADDRESS + address;
}

static void fill_u64(struct script *script, union vhost_user_payload *payload)
{
	payload->u64 = next_u64(script);
}

static void fill_flags(struct script *script, union vhost_user_payload *payload)
{
	payload->u64 = next_u8(script);
}

static void fill_features(struct script *script, union vhost_user_payload *payload)
{
	uint64_t unwanted = next_u64(script);

	payload->u64 = ~unwanted;
	if (unwanted % 16)
		payload->u64 &= disk_operations.features(disk) | 1ull << 34 | 1ull << 32 |
				1ull << VHOST_F_LOG_ALL | 1ull << VIRTIO_RING_F_EVENT_IDX |
				1ull << VIRTIO_RING_F_INDIRECT_DESC |
				1ull << VHOST_USER_F_PROTOCOL_FEATURES;
}

static void fill_bell(struct script *script, union vhost_user_payload *payload)
{
	payload->u64 = next_queue(script);
	if (next_u8(script) % 4 == 0)
		payload->u64 |= VHOST_USER_VRING_NO_FD;
}

static void fill_state(struct script *script, union vhost_user_payload *payload)
{
	payload->vring_state.index = next_queue(script);
	payload->vring_state.number = next_u16(script);
	if (payload->vring_state.number > VIRTQUEUE_SIZE_MAX)
		payload->vring_state.number = 1u << payload->vring_state.number % 20;
}

static void fill_address(struct script *script, union vhost_user_payload *payload)
{
	payload->vring_address = (struct vhost_user_vring_address){
		.index = next_queue(script),
		.flags = next_u8(script),
		.descriptor_address = next_user_address(script),
		.used_address = next_user_address(script),
		.available_address = next_user_address(script),
		.log_address = next_u16(script),
	};
}

static struct vhost_user_memory_region next_region(struct script *script)
{
	uint16_t offset = (uint16_t)(next_u8(script) << 8);

	return (struct vhost_user_memory_region){
		.guest_address = next_u8(script) % 4 ? offset : next_u64(script),
		.size_bytes = next_u8(script) % 4 ? next_u16(script) : next_u64(script),
		.user_address = USER_ADDRESS + offset,
		.mmap_offset = next_u8(script) % 4 ? offset : next_u64(script),
	};
}

static void fill_region(struct script *script, union vhost_user_payload *payload)
{
	payload->one_region = (struct vhost_user_one_region){.region = next_region(script)};
}

static void fill_table(struct script *script, union vhost_user_payload *payload)
{
	struct vhost_user_memory_table *table = &payload->memory_table;

	table->region_count = next_u8(script) % (VHOST_USER_TABLE_REGIONS_MAX + 2);
	for (unsigned i = 0; i < table->region_count && i < VHOST_USER_TABLE_REGIONS_MAX; i++)
		table->regions[i] = next_region(script);
}

static void fill_log(struct script *script, union vhost_user_payload *payload)
{
	payload->log = (struct vhost_user_log){
		.size_bytes = next_u8(script) % 8 ? next_u16(script) : next_u64(script),
		.offset_bytes = next_u8(script) % 8 ? next_u8(script) : next_u64(script),
	};
}

static void fill_config(struct script *script, union vhost_user_payload *payload)
{
	payload->config.offset = next_u8(script) % 8 ? next_u8(script) : (uint32_t)next_u64(script);
	payload->config.size_bytes = next_u16(script);
}

static void fill_inflight(struct script *script, union vhost_user_payload *payload)
{
	payload->inflight = (struct vhost_user_inflight){
		.mmap_size_bytes = next_u8(script) % 8 ? next_u16(script) : next_u64(script),
		.mmap_offset_bytes = next_u8(script) % 8 ? INFLIGHT_AT : next_u64(script),
		.queue_count = next_u8(script) % (QUEUES + 2),
		.queue_size = next_u16(script) % (VIRTQUEUE_SIZE_MAX + 2),
	};
}

/* The payload of each request, and the file that belongs to it. */
static const struct {
	void (*fill)(struct script *script, union vhost_user_payload *payload);
	uint32_t payload_bytes;
	int file; /* -1: none */
} requests[VHOST_USER_REQUESTS + 2] = {
	[VHOST_USER_SET_FEATURES] = {fill_features, 8, -1},
	[VHOST_USER_SET_MEM_TABLE] = {fill_table, sizeof(struct vhost_user_memory_table), MEMORY},
	[VHOST_USER_SET_LOG_BASE] = {fill_log, sizeof(struct vhost_user_log), MEMORY},
	[VHOST_USER_SET_VRING_NUM] = {fill_state, 8, -1},
	[VHOST_USER_SET_VRING_ADDR] = {fill_address, sizeof(struct vhost_user_vring_address), -1},
	[VHOST_USER_SET_VRING_BASE] = {fill_state, 8, -1},
	[VHOST_USER_GET_VRING_BASE] = {fill_state, 8, -1},
	[VHOST_USER_SET_VRING_KICK] = {fill_bell, 8, KICK},
	[VHOST_USER_SET_VRING_CALL] = {fill_bell, 8, KICK},
	[VHOST_USER_SET_VRING_ERR] = {fill_bell, 8, KICK},
	[VHOST_USER_SET_PROTOCOL_FEATURES] = {fill_u64, 8, -1},
	[VHOST_USER_SET_VRING_ENABLE] = {fill_state, 8, -1},
	[VHOST_USER_SET_BACKEND_REQ_FD] = {NULL, 0, CHANNEL},
	[VHOST_USER_GET_CONFIG] = {fill_config, sizeof(struct vhost_user_config), -1},
	[VHOST_USER_SET_CONFIG] = {fill_config, sizeof(struct vhost_user_config), -1},
	[VHOST_USER_GET_INFLIGHT_FD] = {fill_inflight, sizeof(struct vhost_user_inflight), -1},
	[VHOST_USER_SET_INFLIGHT_FD] = {fill_inflight, sizeof(struct vhost_user_inflight), MEMORY},
	[VHOST_USER_ADD_MEM_REG] = {fill_region, sizeof(struct vhost_user_one_region), MEMORY},
	[VHOST_USER_REM_MEM_REG] = {fill_region, sizeof(struct vhost_user_one_region), -1},
	[VHOST_USER_SET_STATUS] = {fill_flags, 8, -1},
};

/* The right file, another one, too many, or none. */
static void attach_files(struct script *script, struct vhost_user_message *message, int file)
{
	uint8_t choice = next_u8(script);

	if (choice < 200 && file < 0)
		return;
	message->fd_count = choice < 230 ? 1 : choice % (VHOST_USER_FDS_MAX + 1);
	for (unsigned i = 0; i < message->fd_count; i++)
		message->fds[i] = files[choice < 200 ? file : (choice + (int)i) % FILES];
}

static void say(struct script *script)
{
	const uint32_t request = next_choice(script, VHOST_USER_REQUESTS + 2);
	const uint8_t oddness = next_u8(script);
	struct vhost_user_message message = {
		.header = {request, VHOST_USER_VERSION | (oddness & 1 ? VHOST_USER_NEED_REPLY : 0),
			requests[request].payload_bytes}};

	if (requests[request].fill)
		requests[request].fill(script, &message.payload);
	if (oddness > 250)
		message.header.size_bytes = next_u16(script) % sizeof message.payload;
	attach_files(script, &message, requests[request].file);
	send_message(&message);
}

static void say_plainly(uint32_t request, const void *payload, uint32_t size_bytes, int file)
{
	struct vhost_user_message message = {.header = {request, VHOST_USER_VERSION, size_bytes}};

	memcpy(&message.payload, payload, size_bytes);
	message.fds[0] = file < 0 ? -1 : files[file];
	message.fd_count = file >= 0;
	if (!has_ended)
		send_message(&message);
}

/* A ring as it should be, the rest of which the script can spoil. */
static void start_ring(struct script *script)
{
	const uint32_t index = next_queue(script) % QUEUES;
	const struct vhost_user_one_region region = {
		.region = {.size_bytes = MEMORY_BYTES, .user_address = USER_ADDRESS}};
	const struct vhost_user_vring_state size = {index, 1u << next_choice(script, 6)};
	const struct vhost_user_vring_state enabled = {index, 1};
	const struct vhost_user_vring_address address = {.index = index,
		.descriptor_address = USER_ADDRESS,
		.available_address = USER_ADDRESS + DRIVER_AREA,
		.used_address = USER_ADDRESS + DEVICE_AREA};
	const uint64_t bell = index;

	say_plainly(VHOST_USER_ADD_MEM_REG, &region, sizeof region, MEMORY);
	say_plainly(VHOST_USER_SET_VRING_NUM, &size, sizeof size, -1);
	say_plainly(VHOST_USER_SET_VRING_ADDR, &address, sizeof address, -1);
	say_plainly(VHOST_USER_SET_VRING_ENABLE, &enabled, sizeof enabled, -1);
	say_plainly(VHOST_USER_SET_VRING_CALL, &bell, sizeof bell, KICK);
	say_plainly(VHOST_USER_SET_VRING_KICK, &bell, sizeof bell, KICK);
}

static void share_inflight(struct script *script)
{
	const struct vhost_user_inflight inflight = {.mmap_size_bytes = 16384,
		.mmap_offset_bytes = INFLIGHT_AT,
		.queue_count = QUEUES,
		.queue_size = 1u << next_choice(script, 6)};

	say_plainly(VHOST_USER_SET_INFLIGHT_FD, &inflight, sizeof inflight, MEMORY);
}

/* ---- the guest ---- */

/* Where to write; what the file does not have any more is written to nowhere. */
static void *memory_at(size_t offset_bytes)
{
	static uint8_t nowhere[4096];

	return offset_bytes < memory_bytes ? memory + offset_bytes : nowhere;
}

static void write_word(struct script *script)
{
	const uint16_t where = next_u16(script) % MEMORY_BYTES & ~1u;
	const uint16_t value = next_u16(script);

	memcpy(memory_at(where), &value, sizeof value);
}

static void write_descriptor(struct script *script)
{
	const unsigned slot = next_choice(script, 32);
	const struct vring_desc descriptor = {.addr = next_u16(script),
		.len = next_u16(script),
		.flags = next_u8(script) % 8,
		.next = next_u8(script) % 32};

	memcpy(memory_at(slot * sizeof descriptor), &descriptor, sizeof descriptor);
}

/* Header, data and status in descriptors 0 to 2, available. */
static void offer_request(struct script *script)
{
	const struct virtio_blk_outhdr header = {
		.type = next_choice(script, 16), .sector = next_u8(script)};
	const uint16_t flags = header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_GET_ID
				       ? VRING_DESC_F_WRITE
				       : 0;
	const struct vring_desc chain[] = {
		{16384, sizeof header, VRING_DESC_F_NEXT, 1},
		{20480, next_u8(script) * 64u, (uint16_t)(VRING_DESC_F_NEXT | flags), 2},
		{16384 + 512, 1, VRING_DESC_F_WRITE, 0},
	};
	struct vring_avail *available = memory_at(DRIVER_AREA);

	memcpy(memory_at(0), chain, sizeof chain);
	memcpy(memory_at(16384), &header, sizeof header);
	available->ring[available->idx % 8] = 0;
	available->idx++;
}

static void offer(struct script *script)
{
	struct vring_avail *available = memory_at(DRIVER_AREA);

	available->idx = (uint16_t)(available->idx + next_u8(script) % 4);
}

static void kick(struct script *script)
{
	const uint64_t one = 1;

	if (write(files[KICK], &one, sizeof one) < 0)
		abort();
}

/* Rarely, since it costs every mapping of the file. */
static void truncate_memory(struct script *script)
{
	if (next_u8(script) != 77)
		return;
	memory_bytes = 4096;
	if (ftruncate(files[MEMORY], (off_t)memory_bytes) < 0)
		abort();
}

/* ---- time ---- */

static void run(struct script *script)
{
	sidecore_here_run();
	look_for_trouble();
}

static void resize(struct script *script)
{
	session_send_config_change(&session);
}

static void (*const actions[])(struct script *script) = {
	say,
	say,
	say,
	start_ring,
	share_inflight,
	write_word,
	write_descriptor,
	offer_request,
	offer,
	kick,
	truncate_memory,
	run,
	resize,
};

/* ---- one run ---- */

static int open_memory(off_t size_bytes)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size_bytes) < 0)
		abort();
	return fd;
}

static int open_full_event(void)
{
	const uint64_t most = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0 || write(fd, &most, sizeof most) < 0)
		abort();
	return fd;
}

static void set_up_once(void)
{
	disk = sidecore_here_disk(backend_find("ram"), DISK_BYTES, QUEUES);
	operations = disk_operations;
	operations.start_queue = start_queue;
	config = (struct vhost_user_backend_config){
		.name = "disk", .queue_count = QUEUES, .operations = &operations, .device = disk};
	if (pipe(pipe_fds) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, channel) < 0)
		abort();
	files[KICK] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	files[FULL] = open_full_event();
	files[MEMORY] = open_memory(MEMORY_BYTES);
	files[HUGE_MEMORY] = open_memory((off_t)1 << 60);
	files[INFLIGHT] = open_memory(MEMORY_BYTES);
	files[NOT_AN_EVENT] = pipe_fds[1];
	files[CHANNEL] = channel[1];
	memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, files[MEMORY], 0);
	if (memory == MAP_FAILED)
		abort();
}

/* The lowest free descriptor: one that leaks moves it up. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void open_session(void)
{
	int sockets[2];

	if (ftruncate(files[MEMORY], 0) < 0 || ftruncate(files[MEMORY], MEMORY_BYTES) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		abort();
	memory_bytes = MEMORY_BYTES;
	front_end = sockets[0];
	has_ended = false;
	lines = (struct log_source){.name = config.name};
	operations.connection_changed(disk, true);
	session_open(&session, &config, &lines, sockets[1]);
}

static void close_session(void)
{
	operations.abandon(disk);
	session_close(&session);
	close(front_end);
	sidecore_here_run();
	for (unsigned i = 0; i < QUEUES; i++)
		if (disk->queues[i].requests ||
			disk->queues[i].served.poller.state != POLLER_REMOVED)
			abort();
	if (disk->in_flight)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	int free_before;

	if (!disk)
		set_up_once();
	free_before = lowest_free_fd();
	open_session();
	for (unsigned i = 0; i < ACTIONS_MAX && script.left && !has_ended; i++)
		actions[next_choice(&script, sizeof actions / sizeof *actions)](&script);
	close_session();
	if (lowest_free_fd() != free_before)
		abort();
	return 0;
}
