#include "gold_disk.h"

#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cmocka_all.h"

#define QUEUE_SIZE 64u
#define RING_AT 0x100000u
#define RING_BYTES 0x10000u
#define MESSAGE_ADDRESS 0xfee00000u

struct gold gold;
static char directory[64]; /* of the image and the socket */

/* ---- the back end ---- */

void gold_create_disk(void)
{
	struct error error;

	if (disk_create(gold.pool, &gold.disk_config, &gold.disk, &error) < 0)
		fail_msg("%s", error.message);
}

void gold_create_pool(void)
{
	struct pool_config config = {.name = "pool",
		.backend = backend_find("file"),
		.use_page_cache = true,
		.capacity_units_per_s = 100000,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 256 << 10};
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct error error;

	snprintf(directory, sizeof directory, "/tmp/test_virtio_device.%d", getpid());
	snprintf(config.path, sizeof config.path, "%s", directory);
	assert_int_equal(mkdir(directory, 0700), 0);
	assert_int_equal(sidecore_start(&core, &gold.sidecore, &error), 0);
	assert_int_equal(pool_create(&config, gold.sidecore, &gold.pool, &error), 0);
	gold.disk_config = (struct disk_config){.name = "gold",
		.size_bytes = DISK_BYTES,
		.queue_count = 4,
		.socket_fd = -1,
		.slo = {.weight = 100}};
	snprintf(gold.disk_config.socket_path, sizeof gold.disk_config.socket_path, "%s/gold.sock",
		directory);
}

void gold_destroy_pool(void)
{
	char image[128];

	pool_destroy(gold.pool);
	sidecore_stop(gold.sidecore);
	snprintf(image, sizeof image, "%s/gold.img", directory);
	unlink(image);
	assert_int_equal(rmdir(directory), 0);
}

/* ---- the machine ---- */

int gold_create_device(struct error *error)
{
	struct virtio_device_config config = {.name = "gold",
		.type = VIRTIO_ID_BLOCK,
		.queue_count = QUEUES,
		.queue_size = QUEUE_SIZE,
		.vcpu_count = 2};
	const struct virtio_device_place place = {.vm_fd = -1,
		.memory = &gold.guest.memory,
		.interrupts = gold.guest.interrupts,
		.bus = gold.guest.bus};

	memcpy(config.socket_path, gold.disk_config.socket_path, sizeof config.socket_path);
	return virtio_device_create(&config, &place, &gold.device, error);
}

int gold_set_up(void **state)
{
	struct error error;

	gold_create_pool();
	gold_create_disk();
	guest_create(&gold.guest);
	if (gold_create_device(&error) < 0)
		fail_msg("%s", error.message);
	virtio_driver_find(&gold.driver, &gold.guest, 1);
	return 0;
}

void gold_free_rings(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		driver_ring_free(&gold.rings[i]);
	memset(gold.rings, 0, sizeof gold.rings);
}

int gold_tear_down(void **state)
{
	gold_free_rings();
	virtio_device_destroy(gold.device);
	guest_destroy(&gold.guest);
	if (gold.disk)
		disk_destroy(gold.disk);
	gold.disk = NULL;
	gold_destroy_pool();
	return 0;
}

/* ---- the driver ---- */

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)((const uint8_t *)pointer - gold.guest.memory.host);
}

void gold_set_up_ring(unsigned index, uint64_t features)
{
	const struct driver_ring_config config = {.size = QUEUE_SIZE,
		.segments_max = 4,
		.indirect_above = features & FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
					  ? 2
					  : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = features & FEATURE(VIRTIO_F_RING_PACKED),
		.has_event_index = features & FEATURE(VIRTIO_RING_F_EVENT_IDX)};
	const uint64_t at = RING_AT + (uint64_t)index * RING_BYTES;
	struct virtio_driver_queue queue = {.size = QUEUE_SIZE, .vector = (uint16_t)(index + 1)};

	assert_true(driver_ring_memory_bytes(&config) <= RING_BYTES);
	memset(gold.guest.memory.host + at, 0, RING_BYTES);
	assert_int_equal(
		driver_ring_init(&gold.rings[index], &config, gold.guest.memory.host + at, at), 0);
	driver_ring_enable_calls(&gold.rings[index]);
	queue.descriptors = address_of(gold.rings[index].descriptor_area);
	queue.driver = address_of(gold.rings[index].driver_area);
	queue.device = address_of(gold.rings[index].device_area);
	virtio_driver_set_queue(&gold.driver, (uint16_t)index, &queue, true);
}

void gold_activate(uint64_t features)
{
	features |= FEATURE(VIRTIO_F_VERSION_1);
	assert_true(virtio_driver_negotiate(&gold.driver, features));
	virtio_driver_enable_msix(&gold.driver);
	guest_write(&gold.guest, gold.driver.common + VIRTIO_PCI_COMMON_MSIX, 2, 0);
	for (unsigned i = 0; i <= QUEUES; i++) {
		virtio_driver_set_vector(&gold.driver, i, MESSAGE_ADDRESS, 0x40 + i);
		virtio_driver_mask_vector(&gold.driver, i, false);
	}
	for (unsigned i = 0; i < QUEUES; i++)
		gold_set_up_ring(i, features);
	virtio_driver_set_status(&gold.driver, DRIVER_OK);
}

/* Its memory: a page with header and status, and a page of data. */
uint8_t *gold_memory(unsigned queue)
{
	return gold.guest.memory.host + DATA_AT + (size_t)queue * 8192;
}

void gold_send(unsigned queue, uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	uint8_t *memory = gold_memory(queue);
	const struct driver_segment segments[] = {
		{address_of(memory), sizeof header},
		{address_of(memory + 4096), 4096},
		{address_of(memory + 2048), 1},
	};
	const unsigned readable = type == VIRTIO_BLK_T_OUT ? 2 : 1;

	memcpy(memory, &header, sizeof header);
	memory[2048] = 0xff;
	assert_int_equal(
		driver_ring_add(&gold.rings[queue], segments, readable, 3 - readable, memory), 0);
	driver_ring_publish(&gold.rings[queue]);
	virtio_driver_kick(&gold.driver, (uint16_t)queue);
}

uint8_t gold_wait_for_status(unsigned queue)
{
	struct driver_completion done;

	for (unsigned i = 0; i < 20000; i++) {
		if (driver_ring_poll(&gold.rings[queue], &done, 1) == 1)
			return gold_memory(queue)[2048];
		usleep(1000);
	}
	return 0xee;
}

uint8_t gold_request(unsigned queue, uint32_t type, uint64_t sector)
{
	gold_send(queue, type, sector);
	return gold_wait_for_status(queue);
}

unsigned gold_interrupts(unsigned vector)
{
	/* Messages are given out in order, and there is one device. */
	return kvm_double_raised(LAYOUT_GSI_COUNT + vector);
}

void gold_wait_for_interrupt(unsigned vector)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (gold_interrupts(vector))
			return;
		usleep(1000);
	}
	fail_msg("no interrupt by vector %u", vector);
}

void gold_wait_for_connection(bool is_connected)
{
	struct virtio_device_statistics statistics = {.is_connected = !is_connected};

	for (unsigned i = 0; i < 20000 && statistics.is_connected != is_connected; i++) {
		virtio_device_statistics(gold.device, &statistics);
		usleep(1000);
	}
	assert_int_equal(statistics.is_connected, is_connected);
}

void gold_lose_disk(void)
{
	disk_destroy(gold.disk);
	gold.disk = NULL;
	gold_wait_for_connection(false);
}
