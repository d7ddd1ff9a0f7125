/* Back ends that are none: they hang up or answer nonsense at any point of the conversation. */
#include "../cmocka_all.h"
#include "../open_descriptors.h"

#include <limits.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "gold_disk.h"
#include "virtio/vhost_user_listener.h"
#include "virtio/vhost_user_message.h"

static struct error error;

static unsigned patience; /* messages until it hangs up */
static bool tells_lies;
static bool drags_stops_out; /* a byte a second */

/* Never silent for long. */
static void trickle(int socket, const struct vhost_user_message *message)
{
	const size_t bytes = sizeof message->header + message->header.size_bytes;

	for (size_t i = 0; i < bytes; i++) {
		sleep(1);
		if (send(socket, (const char *)message + i, 1, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void answer(int socket, struct vhost_user_message *message)
{
	static const uint64_t questions =
		1ull << VHOST_USER_GET_FEATURES | 1ull << VHOST_USER_GET_PROTOCOL_FEATURES |
		1ull << VHOST_USER_GET_QUEUE_NUM | 1ull << VHOST_USER_GET_CONFIG |
		1ull << VHOST_USER_GET_VRING_BASE | 1ull << VHOST_USER_GET_STATUS;
	const bool is_question = questions >> message->header.request & 1;

	vhost_user_close_fds(message);
	if (!is_question && !(message->header.flags & VHOST_USER_NEED_REPLY))
		return;
	message->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	if (message->header.request != VHOST_USER_GET_CONFIG &&
		message->header.request != VHOST_USER_GET_VRING_BASE) {
		message->header.size_bytes = sizeof message->payload.u64;
		message->payload.u64 = is_question ? UINT64_MAX & ~(1ull << 12) : 0;
	}
	if (tells_lies && patience == 0)
		message->header.request ^= 5;
	if (drags_stops_out && message->header.request == VHOST_USER_GET_VRING_BASE)
		trickle(socket, message);
	else
		vhost_user_send(socket, message);
}

static void *be_flaky(void *argument)
{
	int listener = *(int *)argument, socket = accept(listener, NULL, NULL);
	struct vhost_user_message message;

	for (; patience > 0 && vhost_user_receive(socket, &message) == 0; patience--)
		answer(socket, &message);
	if (tells_lies && vhost_user_receive(socket, &message) == 0)
		answer(socket, &message);
	close(socket);
	return NULL;
}

/* Until the conversation has ended, for good or bad. */
static void let_it_talk(void)
{
	struct virtio_device_statistics statistics = {.is_connected = true};

	for (unsigned i = 0; i < 50 && statistics.is_connected; i++) {
		virtio_device_statistics(gold.device, &statistics);
		usleep(1000);
	}
}

/* Returns whether a device came to be. */
static bool meets_flaky_back_end(unsigned messages, bool lies)
{
	int listener = vhost_user_listen(gold.disk_config.socket_path, &error);
	unsigned before = open_descriptors();
	pthread_t thread;
	bool is_created;

	assert_true(listener >= 0);
	patience = messages;
	tells_lies = lies;
	assert_int_equal(pthread_create(&thread, NULL, be_flaky, &listener), 0);
	guest_create(&gold.guest);
	is_created = gold_create_device(&error) == 0;
	if (is_created) {
		virtio_driver_find(&gold.driver, &gold.guest, 1);
		gold_activate(0);
		let_it_talk();
		virtio_driver_reset(&gold.driver);
		gold_free_rings();
		virtio_device_destroy(gold.device);
	}
	pthread_join(thread, NULL);
	guest_destroy(&gold.guest);
	assert_int_equal(open_descriptors(), before);
	close(listener);
	unlink(gold.disk_config.socket_path);
	return is_created;
}

static void a_back_end_may_hang_up_or_lie_at_any_time(void **state)
{
	unsigned created = 0;

	gold_create_pool();
	for (unsigned messages = 0; messages < 34; messages++)
		for (unsigned lies = 0; lies < 2; lies++)
			created += meets_flaky_back_end(messages, lies);
	assert_in_range(created, 30, 60);
	gold_destroy_pool();
}

static void a_reset_waits_for_a_back_end_no_longer_than_for_one_that_is_silent(void **state)
{
	struct virtio_device_statistics statistics;
	pthread_t thread;
	int listener;

	gold_create_pool();
	listener = vhost_user_listen(gold.disk_config.socket_path, &error);
	patience = UINT_MAX;
	tells_lies = false;
	drags_stops_out = true;
	assert_int_equal(pthread_create(&thread, NULL, be_flaky, &listener), 0);
	guest_create(&gold.guest);
	assert_int_equal(gold_create_device(&error), 0);
	virtio_driver_find(&gold.driver, &gold.guest, 1);
	gold_activate(0);
	let_it_talk();
	/* Fails if it is not done after seconds that suffice for a byte in each of ten. */
	virtio_driver_reset(&gold.driver);
	virtio_device_statistics(gold.device, &statistics);
	assert_false(statistics.is_connected);
	gold_free_rings();
	virtio_device_destroy(gold.device);
	pthread_join(thread, NULL);
	guest_destroy(&gold.guest);
	close(listener);
	unlink(gold.disk_config.socket_path);
	gold_destroy_pool();
	drags_stops_out = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_back_end_may_hang_up_or_lie_at_any_time),
		cmocka_unit_test(
			a_reset_waits_for_a_back_end_no_longer_than_for_one_that_is_silent),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
