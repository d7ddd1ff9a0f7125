/* A NIC as a virtio device: features, configuration space, and what its vhost-user session asks. */
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "base/counter.h"
#include "base/log.h"
#include "gatekeeper/netdev/netdev_watch.h"
#include "net/net_private.h"

#define FEATURE(bit) (1ull << (bit))

/* Linux 6.2; older headers lack them. */
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO 56
#endif
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Before virtio 1.0 the header has no count of buffers, unless buffers can be merged (5.1.6.1). */
#define LEGACY_HEADER_BYTES (uint32_t)sizeof(struct virtio_net_hdr)
#define HEADER_BYTES (uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf)

/* Speed and duplex are not known, and what follows belongs to features that are not offered. */
#define CONFIG_BYTES offsetof(struct virtio_net_config, speed)

/*
 * Which feature lets the tap give the guest what (GUEST_*: the driver says that it can take it), and the
 * other way round (HOST_*: the kernel's tap takes it from anybody).
 */
static const struct {
	uint64_t guest, host;
	unsigned offload;
} offloads[] = {
	{FEATURE(VIRTIO_NET_F_GUEST_CSUM), FEATURE(VIRTIO_NET_F_CSUM), TUN_F_CSUM},
	{FEATURE(VIRTIO_NET_F_GUEST_TSO4), FEATURE(VIRTIO_NET_F_HOST_TSO4), TUN_F_TSO4},
	{FEATURE(VIRTIO_NET_F_GUEST_TSO6), FEATURE(VIRTIO_NET_F_HOST_TSO6), TUN_F_TSO6},
	{FEATURE(VIRTIO_NET_F_GUEST_ECN), FEATURE(VIRTIO_NET_F_HOST_ECN), TUN_F_TSO_ECN},
	{FEATURE(VIRTIO_NET_F_GUEST_UFO), FEATURE(VIRTIO_NET_F_HOST_UFO), TUN_F_UFO},
	{FEATURE(VIRTIO_NET_F_GUEST_USO4), FEATURE(VIRTIO_NET_F_HOST_USO), TUN_F_USO4},
	{FEATURE(VIRTIO_NET_F_GUEST_USO6), FEATURE(VIRTIO_NET_F_HOST_USO), TUN_F_USO6},
};

/* ---- features ---- */

/*
 * GUEST_ANNOUNCE is the front end's to serve, as the control queue is; without it here, QEMU would ask
 * the back end to announce a guest that has migrated.
 */
static uint64_t features(void *opaque)
{
	const struct net_device *device = opaque;
	uint64_t offered = FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) |
			   FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_MTU) |
			   FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE);

	for (size_t i = 0; i < sizeof offloads / sizeof *offloads; i++)
		if (device->tap.offload & offloads[i].offload)
			offered |= offloads[i].guest | offloads[i].host;
	if (device->config.pair_count > 1)
		offered |= FEATURE(VIRTIO_NET_F_MQ);
	return offered;
}

/* Without checksums the kernel takes nothing else (5.1.3.1). */
static unsigned accepted_offload(const struct net_device *device, uint64_t accepted)
{
	unsigned offload = 0;

	if (!(accepted & FEATURE(VIRTIO_NET_F_GUEST_CSUM)))
		return 0;
	for (size_t i = 0; i < sizeof offloads / sizeof *offloads; i++)
		if (accepted & offloads[i].guest)
			offload |= offloads[i].offload & device->tap.offload;
	/* The kernel has the two together only, and ECN with one of the others. */
	if ((offload & (TUN_F_USO4 | TUN_F_USO6)) != (TUN_F_USO4 | TUN_F_USO6))
		offload &= ~(unsigned)(TUN_F_USO4 | TUN_F_USO6);
	if (!(offload & (TUN_F_TSO4 | TUN_F_TSO6)))
		offload &= ~(unsigned)TUN_F_TSO_ECN;
	return offload;
}

static void accept_features(void *opaque, uint64_t accepted)
{
	struct net_device *device = opaque;

	device->is_mergeable = accepted & FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	device->header_bytes = device->is_mergeable || accepted & FEATURE(VIRTIO_F_VERSION_1)
				       ? HEADER_BYTES
				       : LEGACY_HEADER_BYTES;
	device->offload = accepted_offload(device, accepted);
	tap_set_offload(&device->tap, device->offload, (int)device->header_bytes);
}

/* ---- configuration space ---- */

static uint32_t read_config(void *opaque, uint8_t *bytes, uint32_t capacity)
{
	const struct net_device *device = opaque;
	bool is_up = __atomic_load_n(&device->is_link_up, __ATOMIC_RELAXED);
	struct virtio_net_config config = {
		.status = is_up ? VIRTIO_NET_S_LINK_UP : 0,
		.max_virtqueue_pairs = (uint16_t)device->config.pair_count,
		.mtu = (uint16_t)(device->config.mtu ? device->config.mtu : tap_mtu(&device->tap)),
	};
	uint32_t size_bytes = CONFIG_BYTES < capacity ? CONFIG_BYTES : capacity;

	memcpy(config.mac, device->config.mac, sizeof config.mac);
	memcpy(bytes, &config, size_bytes);
	return size_bytes;
}

static int set_mtu(void *opaque, uint64_t mtu, struct error *error)
{
	const struct net_device *device = opaque;
	unsigned largest = tap_mtu(&device->tap);

	if (mtu <= largest)
		return 0;
	return error_set(error, -EINVAL,
		"the guest is told an MTU of %llu, and tap %s has %u; say `ip link set %s mtu "
		"%llu`",
		(unsigned long long)mtu, device->config.netdev, largest, device->config.netdev,
		(unsigned long long)mtu);
}

/* ---- queues ---- */

static int start_queue(void *device, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	return net_queue_start(device, index, setup, bells, error);
}

static uint32_t stop_queue(void *device, unsigned index)
{
	return net_queue_stop(device, index);
}

static void set_call(void *device, unsigned index, int call_fd)
{
	net_queue_set_call(device, index, call_fd);
}

/* A packet is never held by what may hang: there is nothing to drop. */
static void abandon(void *device)
{
}

static const char *trouble(void *opaque)
{
	struct net_device *device = opaque;

	return served_device_trouble(&device->served);
}

/* ---- the tap comes and goes ---- */

void net_device_look_at_link(struct net_device *device)
{
	uint32_t is_up = tap_is_up(&device->tap);

	if (__atomic_exchange_n(&device->is_link_up, is_up, __ATOMIC_RELAXED) == is_up)
		return;
	log_info("vNIC '%s': tap %s is %s", device->config.name, device->config.netdev,
		is_up ? "up" : "down");
	vhost_user_config_changed(device->vhost);
}

static bool watched(void *opaque)
{
	struct net_device *device = opaque;

	if (!netdev_watch_drain(device->watch))
		return false;
	net_device_look_at_link(device);
	return tap_is_replaced(&device->tap) ||
	       (tap_is_gone(&device->tap) && device->tap.is_made_here);
}

static void mend(void *opaque)
{
	struct net_device *device = opaque;
	const struct tap_config config = device->tap.config;
	struct error error;

	pthread_mutex_lock(&device->tap_lock);
	tap_close(&device->tap, false);
	if (tap_open(&device->tap, &config, &error) < 0)
		log_error("vNIC '%s': %s", device->config.name, error.message);
	pthread_mutex_unlock(&device->tap_lock);
	tap_set_offload(&device->tap, device->offload, (int)device->header_bytes);
	net_device_look_at_link(device);
}

/* While nobody is there, nobody watches. */
static void connection_changed(void *opaque, bool is_connected)
{
	struct net_device *device = opaque;

	__atomic_store_n(&device->is_connected, is_connected, __ATOMIC_RELAXED);
	if (!is_connected)
		return;
	counter_add(&device->connections, 1);
	if (watched(device))
		mend(device);
}

const struct vhost_user_operations net_operations = {
	.features = features,
	.accept_features = accept_features,
	.read_config = read_config,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.set_call = set_call,
	.connection_changed = connection_changed,
	.abandon = abandon,
	.trouble = trouble,
	.set_mtu = set_mtu,
	.watched = watched,
	.mend = mend,
};
