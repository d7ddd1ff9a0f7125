#include "nic_back_end.h"

#include "../cmocka_all.h"

#include <linux/virtio_net.h>
#include <string.h>

#include "virtio/vhost_user_backend.h"

struct nic_back_end nic_back_end;

static struct vhost_user_backend *vhost; /* NULL: nobody serves */
static uint64_t running_queues;		 /* atomic */

static uint64_t features(void *opaque)
{
	return nic_back_end.features;
}

static void accept_features(void *opaque, uint64_t accepted)
{
	nic_back_end.accepted = accepted;
}

static uint32_t read_config(void *opaque, uint8_t *bytes, uint32_t capacity)
{
	const struct virtio_net_config config = {
		.max_virtqueue_pairs = (uint16_t)nic_back_end.pair_count, .mtu = 1500};

	memcpy(bytes, &config, offsetof(struct virtio_net_config, speed));
	return offsetof(struct virtio_net_config, speed);
}

static int start_queue(void *opaque, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *reason)
{
	__atomic_or_fetch(&running_queues, 1ull << index, __ATOMIC_SEQ_CST);
	return 0;
}

static uint32_t stop_queue(void *opaque, unsigned index)
{
	__atomic_and_fetch(&running_queues, ~(1ull << index), __ATOMIC_SEQ_CST);
	return 0;
}

static void set_call(void *opaque, unsigned index, int call_fd)
{
}

static void connection_changed(void *opaque, bool is_connected)
{
}

static void abandon(void *opaque)
{
}

static const char *trouble(void *opaque)
{
	return NULL;
}

static const struct vhost_user_operations operations = {
	.features = features,
	.accept_features = accept_features,
	.read_config = read_config,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.set_call = set_call,
	.connection_changed = connection_changed,
	.abandon = abandon,
	.trouble = trouble,
};

void nic_back_end_start(void)
{
	const struct vhost_user_backend_config config = {.kind = "NIC",
		.name = "nic",
		.socket_path = nic_back_end.socket_path,
		.fd = VHOST_USER_NO_FD,
		.queue_count = 2 * nic_back_end.pair_count,
		.operations = &operations};
	struct error error;

	__atomic_store_n(&running_queues, 0, __ATOMIC_SEQ_CST);
	if (vhost_user_backend_start(&config, &vhost, &error) < 0)
		fail_msg("%s", error.message);
}

void nic_back_end_stop(void)
{
	if (vhost)
		vhost_user_backend_stop(vhost, -1);
	vhost = NULL;
}

uint64_t nic_back_end_running(void)
{
	return __atomic_load_n(&running_queues, __ATOMIC_SEQ_CST);
}
