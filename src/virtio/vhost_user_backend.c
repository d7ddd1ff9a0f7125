#include "virtio/vhost_user_backend.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "virtio/vhost_user_listener.h"
#include "virtio/vhost_user_session.h"

#define THREAD_STACK_BYTES (256u << 10)
#define MESSAGE_TIMEOUT_S 10  /* a front end that stalls within a message is disconnected */
#define STOP_PATIENCE_MS 2000 /* for requests in flight and a front end within a message */

struct vhost_user_backend {
	struct vhost_user_backend_config config;
	struct vhost_user_session session;
	struct log_source log;
	char log_name[128];
	pthread_t thread;
	sem_t ended;	      /* posted by the thread as its last act */
	pthread_mutex_t lock; /* of `served` */
	int served;	      /* the front end's socket, or -1 */
	int listener;	      /* -1 when a connected socket was given */
	int connected;	      /* that socket, until it is served */
	int stop_fd;
	int trouble_fd;
	int config_fd; /* rung when configuration space has changed */
};

/* ---- serving one front end ---- */

static void drain(int event_fd)
{
	uint64_t value;

	/* Nonblocking: nothing to read is fine. */
	if (read(event_fd, &value, sizeof value) < 0)
		return;
}

/* What comes meanwhile rings again. */
static const char *take_trouble(struct vhost_user_backend *backend)
{
	drain(backend->trouble_fd);
	return backend->config.operations->trouble(backend->config.device);
}

static void look_for_trouble(struct vhost_user_backend *backend)
{
	const char *reason = take_trouble(backend);

	if (reason)
		session_report_trouble(&backend->session, reason);
}

enum event { MESSAGE, STOP, TROUBLE, CONFIG_CHANGE, WATCHED, EVENTS };

static void look_at_watched(struct vhost_user_backend *backend)
{
	const struct vhost_user_operations *operations = backend->config.operations;

	if (!operations->watched(backend->config.device))
		return;
	session_pause_rings(&backend->session);
	operations->mend(backend->config.device);
	session_update_rings(&backend->session);
}

static int serve_events(struct vhost_user_backend *backend, const struct pollfd events[EVENTS])
{
	if (events[STOP].revents)
		return -ECANCELED;
	if (events[TROUBLE].revents)
		look_for_trouble(backend);
	if (events[WATCHED].revents)
		look_at_watched(backend);
	if (events[CONFIG_CHANGE].revents) {
		drain(backend->config_fd);
		session_send_config_change(&backend->session);
	}
	return events[MESSAGE].revents ? session_serve_message(&backend->session) : 0;
}

static void limit_stalls(int socket)
{
	const struct timeval limit = {.tv_sec = MESSAGE_TIMEOUT_S};

	setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

static void set_served(struct vhost_user_backend *backend, int socket)
{
	pthread_mutex_lock(&backend->lock);
	backend->served = socket;
	pthread_mutex_unlock(&backend->lock);
}

/* From another thread: whatever is being read or written on the socket ends now. */
static void cut_off(struct vhost_user_backend *backend)
{
	pthread_mutex_lock(&backend->lock);
	if (backend->served >= 0)
		shutdown(backend->served, SHUT_RDWR);
	pthread_mutex_unlock(&backend->lock);
}

static void serve(struct vhost_user_backend *backend, int socket)
{
	const struct vhost_user_operations *operations = backend->config.operations;
	struct pollfd events[EVENTS] = {
		[MESSAGE] = {.fd = socket, .events = POLLIN},
		[STOP] = {.fd = backend->stop_fd, .events = POLLIN},
		[TROUBLE] = {.fd = backend->trouble_fd, .events = POLLIN},
		[CONFIG_CHANGE] = {.fd = backend->config_fd, .events = POLLIN},
		[WATCHED] = {.fd = backend->config.is_watching ? backend->config.watch_fd : -1,
			.events = POLLIN},
	};
	int result = 0;

	log_from(&backend->log, LOG_LEVEL_INFO, "front end connected");
	limit_stalls(socket);
	/* What was before concerns another front end. */
	drain(backend->config_fd);
	take_trouble(backend);
	session_open(&backend->session, &backend->config, &backend->log, socket);
	set_served(backend, socket);
	operations->connection_changed(backend->config.device, true);
	while (result == 0)
		if (poll(events, EVENTS, -1) > 0)
			result = serve_events(backend, events);
	set_served(backend, -1);
	/* A front end that is there still connects again, and wants its requests done. */
	if (result != -ECANCELED)
		operations->abandon(backend->config.device);
	session_close(&backend->session);
	operations->connection_changed(backend->config.device, false);
	log_from(&backend->log, LOG_LEVEL_INFO, "front end disconnected%s%s",
		result == -ECONNRESET || result == -ECANCELED ? "" : ": ",
		result == -ECONNRESET || result == -ECANCELED ? "" : strerror(-result));
}

/* ---- the thread ---- */

/* Returns a connected socket, or -ECANCELED when the back end is stopped. */
static int wait_for_front_end(struct vhost_user_backend *backend)
{
	struct pollfd events[] = {
		{.fd = backend->listener, .events = POLLIN},
		{.fd = backend->stop_fd, .events = POLLIN},
	};

	for (;;) {
		int socket;

		if (poll(events, 2, -1) < 0)
			continue;
		if (events[1].revents)
			return -ECANCELED;
		socket = accept4(backend->listener, NULL, NULL, SOCK_CLOEXEC);
		if (socket >= 0)
			return socket;
		/* Out of descriptors, say: the front end waits in the backlog; do not spin. */
		log_from(&backend->log, LOG_LEVEL_WARNING, "cannot accept a front end: %s",
			strerror(errno));
		poll(&events[1], 1, 1000);
	}
}

static void *thread_main(void *argument)
{
	struct vhost_user_backend *backend = argument;
	int socket = backend->connected;

	pthread_setname_np(pthread_self(), "vhost-user");
	backend->connected = -1;
	if (socket >= 0) {
		serve(backend, socket);
		if (backend->config.ended)
			backend->config.ended();
	}
	while (backend->listener >= 0) {
		socket = wait_for_front_end(backend);
		if (socket < 0)
			break;
		serve(backend, socket);
	}
	sem_post(&backend->ended);
	return NULL;
}

/* ---- starting and stopping ---- */

/* Returns 1 or 0, or a negative errno if it is no socket. */
static int is_listening(int fd)
{
	socklen_t length = sizeof(int);
	int value = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 ? value : -errno;
}

static int use_socket(struct vhost_user_backend *backend, int fd, struct error *error)
{
	int listening = is_listening(fd);

	if (listening < 0)
		return error_set(error, listening,
			"descriptor %d is no socket that was inherited: %s", fd,
			strerror(-listening));
	*(listening ? &backend->listener : &backend->connected) = fd;
	return 0;
}

static int open_socket(struct vhost_user_backend *backend, struct error *error)
{
	int fd;

	if (!backend->config.socket_path)
		return use_socket(backend, backend->config.fd, error);
	fd = vhost_user_listen(backend->config.socket_path, error);
	if (fd < 0)
		return fd;
	backend->listener = fd;
	return 0;
}

static int open_events(struct vhost_user_backend *backend, struct error *error)
{
	backend->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	backend->trouble_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	backend->config_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (backend->stop_fd >= 0 && backend->trouble_fd >= 0 && backend->config_fd >= 0)
		return 0;
	return error_set(error, -errno, "no eventfd: %s", strerror(errno));
}

static int start_thread(struct vhost_user_backend *backend, struct error *error)
{
	pthread_attr_t attributes;
	int result;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, THREAD_STACK_BYTES);
	result = -pthread_create(&backend->thread, &attributes, thread_main, backend);
	pthread_attr_destroy(&attributes);
	if (result < 0)
		return error_set(error, result, "no thread: %s", strerror(-result));
	return 0;
}

static void free_backend(struct vhost_user_backend *backend)
{
	const int fds[] = {backend->listener, backend->connected, backend->stop_fd,
		backend->trouble_fd, backend->config_fd};

	if (backend->listener >= 0 && backend->config.socket_path)
		unlink(backend->config.socket_path);
	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	sem_destroy(&backend->ended);
	pthread_mutex_destroy(&backend->lock);
	free(backend);
}

int vhost_user_backend_start(const struct vhost_user_backend_config *config,
	struct vhost_user_backend **backend, struct error *error)
{
	struct vhost_user_backend *new_one = calloc(1, sizeof *new_one);
	int result;

	if (!new_one)
		return error_set(error, -ENOMEM, "no memory for a vhost-user session");
	new_one->config = *config;
	sem_init(&new_one->ended, 0, 0);
	snprintf(
		new_one->log_name, sizeof new_one->log_name, "%s '%s'", config->kind, config->name);
	new_one->log.name = new_one->log_name;
	new_one->listener = new_one->connected = new_one->served = -1;
	new_one->stop_fd = new_one->trouble_fd = new_one->config_fd = -1;
	pthread_mutex_init(&new_one->lock, NULL);
	result = open_socket(new_one, error);
	if (result == 0)
		result = open_events(new_one, error);
	/* Before the thread, whose operations may use it. */
	*backend = new_one;
	if (result == 0)
		result = start_thread(new_one, error);
	if (result < 0) {
		free_backend(new_one);
		return result;
	}
	return 0;
}

static void ring(int event_fd)
{
	const uint64_t one = 1;

	/* Fails only when it has been rung 2^64 - 2 times already, which serves as well. */
	if (write(event_fd, &one, sizeof one) < 0)
		return;
}

/* Not pthread_clockjoin_np, which the thread sanitizer does not take for a join. */
static int join(struct vhost_user_backend *backend, int timeout_ms)
{
	uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / NS_PER_S), .tv_nsec = (long)(until_ns % NS_PER_S)};

	while (timeout_ms >= 0 && sem_clockwait(&backend->ended, CLOCK_MONOTONIC, &until) < 0)
		if (errno != EINTR)
			return -errno;
	return -pthread_join(backend->thread, NULL);
}

int vhost_user_backend_stop(struct vhost_user_backend *backend, int timeout_ms)
{
	int result;

	ring(backend->stop_fd);
	result = join(backend, STOP_PATIENCE_MS);
	if (result < 0) {
		cut_off(backend);
		backend->config.operations->abandon(backend->config.device);
		result = join(backend, timeout_ms);
	}
	if (result == 0)
		free_backend(backend);
	return result;
}

void vhost_user_config_changed(struct vhost_user_backend *backend)
{
	ring(backend->config_fd);
}

int vhost_user_trouble_fd(const struct vhost_user_backend *backend)
{
	return backend->trouble_fd;
}
