/* A virtio device's thread: it follows the driver, and holds on to the back end. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "vmm/pci/virtio_device_private.h"

#define THREAD_STACK_BYTES (256u << 10)
#define STOP_PATIENCE_NS (2 * NS_PER_S) /* for a back end that stops rings */

/* ---- the connection ---- */

void virtio_device_set_connected(struct virtio_device *device, bool is_connected)
{
	__atomic_store_n(&device->is_connected, is_connected, __ATOMIC_RELAXED);
}

/* What the device says of itself, as the driver is to see it. */
static int ask_config(struct virtio_device *device, uint8_t *config, struct error *error)
{
	int result;

	if (!vhost_user_connection_has(&device->link.connection, VHOST_USER_PROTOCOL_F_CONFIG))
		return error_set(
			error, -ENOTSUP, "the back end does not tell its configuration space");
	result =
		vhost_user_ask_config(&device->link.connection, config, device->type->config_bytes);
	if (result < 0)
		return error_set(error, result,
			"the back end does not tell its configuration space: %s",
			strerror(-result));
	if (device->type->set_queue_count)
		device->type->set_queue_count(config, (uint16_t)device->queue_count);
	return 0;
}

uint64_t virtio_device_features(const struct virtio_device *device)
{
	uint64_t features = virtio_type_features(
		device->type, device->link.connection.offered, device->queue_count);

	/* Where a packed ring stood is nowhere in it, should the back end be lost. */
	if (!vhost_user_connection_has(
		    &device->link.connection, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
		features &= ~(1ull << VIRTIO_F_RING_PACKED);
	return features;
}

/* Can a back end that has come back go on with what the driver was told? */
static int check_compatible(const struct virtio_device *device, struct error *error)
{
	const uint64_t missing =
		device->transport.config.features & ~virtio_device_features(device);

	if (missing)
		return error_set(error, -ENOTSUP,
			"the back end has come back without features 0x%llx, which the guest was "
			"offered",
			(unsigned long long)missing);
	if (device->link.queue_count_max < device->queue_count)
		return error_set(error, -ENOTSUP,
			"the back end has come back with %u queues; the guest was offered %u",
			device->link.queue_count_max, device->queue_count);
	if (device->link.inflight_fd >= 0 && !vhost_user_connection_has(&device->link.connection,
						     VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD))
		return error_set(
			error, -ENOTSUP, "the back end has come back without in-flight tracking");
	return 0;
}

/* Hang up. The log says so once, and why a back end is not taken once, until one serves the device again. */
static void lose(struct virtio_device *device, const char *reason, bool *is_logged)
{
	vhost_user_link_disconnect(&device->link);
	device->is_started = false;
	virtio_device_set_connected(device, false);
	virtio_pci_end_service(&device->transport);
	if (!*is_logged)
		log_from(&device->log, LOG_LEVEL_WARNING,
			"%s; connecting to %s again until it is there", reason,
			device->config.socket_path);
	*is_logged = true;
}

/* ---- rings ---- */

/* A driver that has begun anew has nothing in flight. */
static bool is_continued(struct virtio_device *device, uint64_t service)
{
	if (service == device->service)
		return true;
	vhost_user_link_forget_inflight(&device->link);
	device->service = service;
	return false;
}

static int start(struct virtio_device *device, struct error *error)
{
	struct virtio_pci_service service;
	struct vhost_user_link_setup setup;
	int result;

	if (!virtio_pci_begin_service(&device->transport, &service))
		return 0;
	virtio_device_begin_control(device, &service);
	device->ring_count = virtio_device_ring_count(device, service.features);
	device->served_count = virtio_device_served_count(device);
	setup = (struct vhost_user_link_setup){
		.features = service.features,
		.ring_count = device->ring_count,
		.served_count = device->served_count,
		.rings = service.rings,
		.is_continued = is_continued(device, service.number),
	};
	result = vhost_user_link_start(&device->link, &setup, error);
	device->is_started = result == 0;
	if (result == 0 && vhost_user_link_needs_reset(&device->link))
		virtio_pci_fail(&device->transport, "the back end cannot serve the rings");
	return result;
}

static int set_calls(struct virtio_device *device, struct error *error)
{
	struct virtio_pci_ring rings[VIRTIO_PCI_QUEUES_MAX];

	virtio_pci_rings(&device->transport, rings);
	return vhost_user_link_set_calls(&device->link, device->ring_count, rings, error);
}

static int stop(struct virtio_device *device, struct error *error)
{
	struct virtio_pci_ring rings[VIRTIO_PCI_QUEUES_MAX];

	virtio_pci_rings(&device->transport, rings);
	device->is_started = false;
	return vhost_user_link_stop(&device->link, device->ring_count, rings, error);
}

/* A back end that does not let go of the rings is hung up on. */
static int end_service(struct virtio_device *device, struct error *error)
{
	int result = device->is_started ? stop(device, error) : 0;

	if (result == 0)
		virtio_pci_end_service(&device->transport);
	return result;
}

/* Do what the driver wants. Returns 0, or a negative errno: then the back end is lost. */
static int follow_driver(struct virtio_device *device, struct error *error)
{
	const enum virtio_pci_state state = virtio_pci_state(&device->transport);

	if (state == VIRTIO_PCI_RESETTING)
		return end_service(device, error);
	if (state == VIRTIO_PCI_IDLE || !vhost_user_link_is_connected(&device->link))
		return 0;
	if (!device->is_started)
		return start(device, error);
	if (virtio_pci_take_new_vectors(&device->transport))
		return set_calls(device, error);
	return 0;
}

/* ---- what the back end does ---- */

int virtio_device_refresh_config(struct virtio_device *device, struct error *error)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {0};
	int result = ask_config(device, config, error);

	if (result == 0)
		virtio_pci_set_device_config(&device->transport, config);
	return result;
}

static int serve_request(struct virtio_device *device, struct error *error)
{
	int result = vhost_user_link_serve_request(&device->link, error);

	return result == 1 ? virtio_device_refresh_config(device, error) : result;
}

void virtio_device_drain(int event_fd)
{
	uint64_t value;

	/* Nonblocking: nothing to read is fine. */
	if (read(event_fd, &value, sizeof value) < 0)
		return;
}

static void serve_error(struct virtio_device *device)
{
	virtio_device_drain(device->link.error_fd);
	if (device->is_started)
		virtio_pci_fail(&device->transport, "the back end has stopped a ring");
}

enum event { WAKE, SOCKET, REQUEST, BROKEN_RING, CONTROL, EVENTS };

/* Returns 0, or a negative errno with the reason for which the back end is lost. */
static int serve_back_end(
	struct virtio_device *device, const struct pollfd events[EVENTS], struct error *error)
{
	if (events[BROKEN_RING].revents)
		serve_error(device);
	/* It only speaks when it is spoken to, so it has hung up. */
	if (events[SOCKET].revents)
		return error_set(error, -ECONNRESET, "the back end has gone");
	return events[REQUEST].revents ? serve_request(device, error) : 0;
}

/* ---- coming back ---- */

static int take_up(struct virtio_device *device, struct error *error)
{
	int result = check_compatible(device, error);

	if (result == 0)
		result = virtio_device_refresh_config(device, error);
	if (result == 0)
		result = follow_driver(device, error);
	return result;
}

static void try_to_return(struct virtio_device *device)
{
	struct error error;

	if (vhost_user_link_connect(&device->link, &error) < 0)
		goto later;
	if (take_up(device, &error) < 0) {
		lose(device, error.message, &device->is_refusal_logged);
		goto later;
	}
	virtio_device_set_connected(device, true);
	counter_add(&device->reconnects, 1);
	device->is_loss_logged = device->is_refusal_logged = false;
	device->reconnect_ms = VIRTIO_DEVICE_RECONNECT_FIRST_MS;
	log_from(&device->log, LOG_LEVEL_INFO, "the back end is back");
	return;
later:
	device->reconnect_ms *= 2;
	if (device->reconnect_ms > VIRTIO_DEVICE_RECONNECT_MS_MAX)
		device->reconnect_ms = VIRTIO_DEVICE_RECONNECT_MS_MAX;
}

/* ---- the thread ---- */

static bool is_stopping(const struct virtio_device *device)
{
	return __atomic_load_n(&device->is_stopping, __ATOMIC_ACQUIRE);
}

/*
 * A driver that waits for its reset has been waiting for what was being said: that time counts, so that all of it
 * is one conversation. A back end that has used it up by then is lost, and the reset done with that.
 */
static int wait_for_events(struct virtio_device *device, struct pollfd events[EVENTS])
{
	const bool is_awaited = virtio_pci_state(&device->transport) == VIRTIO_PCI_RESETTING;
	const int result = poll(events, EVENTS, -1);

	if (!is_awaited)
		vhost_user_link_begin(&device->link);
	return result;
}

static void run_connected(struct virtio_device *device)
{
	struct pollfd events[EVENTS] = {
		[WAKE] = {.fd = device->wake_fd, .events = POLLIN},
		[SOCKET] = {.fd = device->link.connection.socket, .events = POLLIN},
		[REQUEST] = {.fd = device->link.request_fd, .events = POLLIN},
		[BROKEN_RING] = {.fd = device->link.error_fd, .events = POLLIN},
		[CONTROL] = {.fd = virtio_device_control_fd(device), .events = POLLIN},
	};
	struct error error;
	int result;

	if (wait_for_events(device, events) < 0)
		return;
	virtio_device_drain(device->wake_fd);
	result = serve_back_end(device, events, &error);
	if (result == 0 && !is_stopping(device))
		result = follow_driver(device, &error);
	if (result == 0 && events[CONTROL].revents)
		result = virtio_device_serve_control(device, &error);
	if (result < 0)
		lose(device, error.message, &device->is_loss_logged);
}

static void run_disconnected(struct virtio_device *device)
{
	const uint64_t until_ns = clock_now_ns() + (uint64_t)device->reconnect_ms * NS_PER_MS;
	struct error error;
	uint64_t now_ns;

	while (!is_stopping(device) && (now_ns = clock_now_ns()) < until_ns) {
		struct pollfd events[] = {{.fd = device->wake_fd, .events = POLLIN},
			{.fd = virtio_device_control_fd(device), .events = POLLIN}};

		if (poll(events, 2, (int)((until_ns - now_ns) / NS_PER_MS) + 1) <= 0)
			continue;
		virtio_device_drain(device->wake_fd);
		/* Nobody is lost by it who is not there. */
		(void)virtio_device_serve_control(device, &error);
	}
	if (!is_stopping(device))
		try_to_return(device);
}

static void *thread_main(void *argument)
{
	struct virtio_device *device = argument;
	struct error error;

	pthread_setname_np(pthread_self(), "virtio-device");
	while (!is_stopping(device)) {
		if (vhost_user_link_is_connected(&device->link))
			run_connected(device);
		else
			run_disconnected(device);
	}
	vhost_user_link_begin(&device->link);
	if (device->is_started)
		stop(device, &error);
	sem_post(&device->ended);
	return NULL;
}

int virtio_device_start_thread(struct virtio_device *device, struct error *error)
{
	pthread_attr_t attributes;
	int result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	result = -pthread_create(&device->thread, &attributes, thread_main, device);
	pthread_attr_destroy(&attributes);
	if (result < 0)
		return error_set(error, result, "no thread: %s", strerror(-result));
	device->has_thread = true;
	return 0;
}

/* A back end that does not let go in time is hung up on, which ends whatever is being read from it. */
void virtio_device_end_thread(struct virtio_device *device)
{
	const uint64_t until_ns = clock_now_ns() + STOP_PATIENCE_NS;
	const struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};
	int result;

	if (!device->has_thread)
		return;
	__atomic_store_n(&device->is_stopping, true, __ATOMIC_RELEASE);
	virtio_pci_ring(device->wake_fd);
	do {
		result = sem_clockwait(&device->ended, CLOCK_MONOTONIC, &until);
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		vhost_user_link_cut(&device->link);
	pthread_join(device->thread, NULL);
}
