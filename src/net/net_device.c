#include "net/net_device.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "gatekeeper/netdev/netdev_watch.h"
#include "net/net_private.h"

/* ---- creating ---- */

static int check_config(const struct net_device_config *config, struct error *error)
{
	if (config->pair_count == 0 || config->pair_count > NET_PAIRS_MAX)
		return error_set(error, -EINVAL, "%u pairs of queues; give it 1 to %u",
			config->pair_count, NET_PAIRS_MAX);
	if (config->mtu && (config->mtu < NET_MTU_MIN || config->mtu > NET_MTU_MAX))
		return error_set(error, -EINVAL, "an MTU of %u is not between %u and %u",
			config->mtu, NET_MTU_MIN, NET_MTU_MAX);
	return 0;
}

static int open_tap(struct net_device *device, struct error *error)
{
	const struct net_device_config *config = &device->config;
	const struct tap_config tap_config = {
		.name = config->netdev,
		.state_directory = config->state_directory,
		.queue_count = config->pair_count,
		.mtu = config->mtu,
	};
	int result = tap_open(&device->tap, &tap_config, error);

	device->is_link_up = tap_is_up(&device->tap);
	return result;
}

static int start_vhost(struct net_device *device, struct error *error)
{
	const struct vhost_user_backend_config config = {
		.kind = "vNIC",
		.name = device->config.name,
		.socket_path = device->config.socket_path,
		.fd = VHOST_USER_NO_FD,
		.queue_count = 2 * device->config.pair_count,
		.is_lossy = true,
		.is_shared = device->config.pair_count > 1,
		.is_watching = true,
		.watch_fd = netdev_watch_fd(device->watch),
		.operations = &net_operations,
		.device = device,
	};
	int result = vhost_user_backend_start(&config, &device->vhost, error);

	if (result < 0)
		return result;
	served_device_report_to(&device->served, vhost_user_trouble_fd(device->vhost));
	return 0;
}

int net_device_create(struct sidecore *sidecore, const struct net_device_config *config,
	struct net_device **device, struct error *error)
{
	struct net_device *new_one = calloc(1, sizeof *new_one);
	int result = -ENOMEM;

	if (!new_one) {
		error_set(error, result, "no memory");
		goto fail_memory;
	}
	new_one->config = *config;
	pthread_mutex_init(&new_one->tap_lock, NULL);
	new_one->header_bytes = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	served_device_init(&new_one->served, sidecore);
	result = check_config(config, error);
	if (result < 0)
		goto fail_check;
	result = netdev_watch_open(&new_one->watch, error);
	if (result < 0)
		goto fail_check;
	result = open_tap(new_one, error);
	if (result < 0)
		goto fail_tap;
	result = start_vhost(new_one, error);
	if (result < 0)
		goto fail_vhost;
	*device = new_one;
	return 0;

fail_vhost:
	tap_close(&new_one->tap, new_one->tap.is_new);
fail_tap:
	netdev_watch_close(new_one->watch);
fail_check:
	pthread_mutex_destroy(&new_one->tap_lock);
	free(new_one);
fail_memory:
	return error_prefix(error, result, "vNIC '%s': ", config->name);
}

/* ---- destroying ---- */

void net_device_destroy(struct net_device *device, bool removes_tap)
{
	served_device_release(&device->served);
	vhost_user_backend_stop(device->vhost, -1);
	tap_close(&device->tap, removes_tap);
	netdev_watch_close(device->watch);
	pthread_mutex_destroy(&device->tap_lock);
	free(device);
}

/* ---- looking ---- */

const struct net_device_config *net_device_config(const struct net_device *device)
{
	return &device->config;
}

/* The device's thread may be opening it anew. */
static void look_at_tap(const struct net_device *device, struct net_device_statistics *statistics)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&device->tap_lock;

	pthread_mutex_lock(lock);
	statistics->is_link_up = tap_is_up(&device->tap);
	statistics->is_tap_made_here = device->tap.is_made_here;
	pthread_mutex_unlock(lock);
}

static void add_pair(
	const struct net_pair *pair, unsigned index, struct net_device_statistics *statistics)
{
	struct net_pair_statistics *of_pair = &statistics->pairs[index];

	of_pair->transmit_packets = counter_get(&pair->transmit_packets);
	of_pair->receive_packets = counter_get(&pair->receive_packets);
	statistics->transmit_packets += of_pair->transmit_packets;
	statistics->receive_packets += of_pair->receive_packets;
	statistics->transmit_bytes += counter_get(&pair->transmit_bytes);
	statistics->receive_bytes += counter_get(&pair->receive_bytes);
}

void net_device_statistics(
	const struct net_device *device, struct net_device_statistics *statistics)
{
	uint64_t connections = counter_get(&device->connections);

	*statistics = (struct net_device_statistics){
		.is_connected = __atomic_load_n(&device->is_connected, __ATOMIC_RELAXED),
		.is_broken = __atomic_load_n(&device->served.is_broken, __ATOMIC_RELAXED),
		.transmit_drops_malformed = counter_get(&device->transmit_drops_malformed),
		.transmit_drops_link = counter_get(&device->transmit_drops_link),
		.transmit_drops_refused = counter_get(&device->transmit_drops_refused),
		.receive_drops_too_large = counter_get(&device->receive_drops_too_large),
		.receive_drops_malformed = counter_get(&device->receive_drops_malformed),
		.kicks = counter_get(&device->served.kicks),
		.calls = counter_get(&device->served.calls),
		.reconnects = connections ? connections - 1 : 0,
	};
	look_at_tap(device, statistics);
	for (unsigned i = 0; i < device->config.pair_count; i++)
		add_pair(&device->pairs[i], i, statistics);
}
