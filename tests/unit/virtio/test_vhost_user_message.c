#include "../cmocka_all.h"
#include "../open_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "virtio/vhost_user_message.h"

struct pair {
	int near;
	int far;
};

static int open_pair(void **state)
{
	static struct pair pair;
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -1;
	pair = (struct pair){.near = sockets[0], .far = sockets[1]};
	*state = &pair;
	return 0;
}

static int close_pair(void **state)
{
	struct pair *pair = *state;

	close(pair->near);
	close(pair->far);
	return 0;
}

static struct vhost_user_message make_message(uint32_t request, uint32_t size_bytes)
{
	struct vhost_user_message message = {
		.header = {request, VHOST_USER_VERSION, size_bytes},
	};

	memset(&message.payload, 0x5a, size_bytes);
	return message;
}

/* Write raw bytes with `fd_count` duplicates of standard input, as only a hostile peer would. */
static void send_raw(int socket, const void *bytes, size_t size, unsigned fd_count)
{
	char control[CMSG_SPACE(64 * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memset(CMSG_DATA(c), 0, fd_count * sizeof(int)); /* descriptor 0 */
	}
	assert_int_equal(sendmsg(socket, &msg, 0), size);
}

/* A byte now and then, for ever. */
static void *trickle(void *argument)
{
	static const char header[] =
		"\1\0\0\0\5\0\0\0\0\1\0\0"; /* GET_FEATURES, answered in 256 bytes */
	const struct pair *pair = argument;
	unsigned i = 0;
	char byte;

	do {
		byte = i < 12 ? header[i] : 0;
		i++;
		usleep(5000);
	} while (send(pair->near, &byte, 1, MSG_NOSIGNAL) == 1);
	return NULL;
}

static void a_message_that_trickles_in_has_a_deadline(void **state)
{
	struct pair *pair = *state;
	struct vhost_user_message received;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, trickle, pair), 0);
	assert_int_equal(
		vhost_user_receive_by(pair->far, &received, clock_now_ns() + 100 * NS_PER_MS),
		-ETIMEDOUT);
	shutdown(pair->far, SHUT_RDWR);
	pthread_join(thread, NULL);
}

static void a_peer_that_reads_nothing_has_a_deadline(void **state)
{
	const struct pair *pair = *state;
	const struct vhost_user_message message = make_message(VHOST_USER_SET_VRING_NUM, 8);
	const uint64_t deadline_ns = clock_now_ns() + 100 * NS_PER_MS;
	int result;

	do {
		result = vhost_user_send_by(pair->near, &message, deadline_ns);
	} while (result == 0);
	assert_int_equal(result, -ETIMEDOUT);
}

static void a_message_arrives_as_it_was_sent(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_message sent = make_message(VHOST_USER_SET_VRING_NUM, 8);
	struct vhost_user_message received;

	assert_int_equal(vhost_user_send(pair->near, &sent), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), 0);
	assert_memory_equal(&received.header, &sent.header, sizeof(sent.header));
	assert_memory_equal(&received.payload, &sent.payload, sizeof(sent.payload));
	assert_int_equal(received.fd_count, 0);
}

static void descriptors_travel_with_their_message(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_message sent = make_message(VHOST_USER_SET_VRING_KICK, 8);
	struct vhost_user_message received;
	uint64_t value = 7;
	int fd;

	sent.fds[0] = eventfd(0, EFD_CLOEXEC);
	sent.fd_count = 1;
	assert_int_equal(vhost_user_send(pair->near, &sent), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), 0);
	assert_int_equal(received.fd_count, 1);
	fd = vhost_user_take_fd(&received, 0);
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
	value = 0;
	assert_int_equal(read(sent.fds[0], &value, sizeof(value)), sizeof(value));
	assert_int_equal(value, 7);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	vhost_user_close_fds(&sent);
}

static void a_descriptor_is_taken_once(void **state)
{
	struct vhost_user_message message = {.fds = {42}, .fd_count = 1};

	assert_int_equal(vhost_user_take_fd(&message, 1), -1);
	assert_int_equal(vhost_user_take_fd(&message, 0), 42);
	assert_int_equal(vhost_user_take_fd(&message, 0), -1);
}

static void two_messages_in_one_write_are_two(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_header headers[2] = {
		{VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 0},
		{VHOST_USER_SET_OWNER, VHOST_USER_VERSION, 0},
	};
	struct vhost_user_message received;

	send_raw(pair->near, headers, sizeof(headers), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), 0);
	assert_int_equal(received.header.request, VHOST_USER_GET_FEATURES);
	assert_int_equal(vhost_user_receive(pair->far, &received), 0);
	assert_int_equal(received.header.request, VHOST_USER_SET_OWNER);
}

static void *send_byte_by_byte(void *argument)
{
	const struct pair *pair = argument;
	struct vhost_user_message sent = make_message(VHOST_USER_SET_FEATURES, 8);

	for (size_t i = 0; i < sizeof(sent.header); i++)
		send_raw(pair->near, (char *)&sent.header + i, 1, 0);
	for (size_t i = 0; i < 8; i++)
		send_raw(pair->near, (char *)&sent.payload + i, 1, 0);
	return NULL;
}

static void a_message_in_pieces_is_put_together(void **state)
{
	struct pair *pair = *state;
	struct vhost_user_message received;
	pthread_t sender;

	assert_int_equal(pthread_create(&sender, NULL, send_byte_by_byte, pair), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), 0);
	assert_true(received.payload.u64 == 0x5a5a5a5a5a5a5a5aull);
	pthread_join(sender, NULL);
}

static void the_end_of_the_stream_is_a_reset(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_message received;

	shutdown(pair->near, SHUT_WR);
	assert_int_equal(vhost_user_receive(pair->far, &received), -ECONNRESET);
}

static void half_a_message_is_a_reset_and_closes_its_descriptors(void **state)
{
	const struct pair *pair = *state;
	const unsigned open_before = open_descriptors();
	struct vhost_user_header header = {VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, 40};
	struct vhost_user_message received;

	send_raw(pair->near, &header, sizeof(header), 3);
	shutdown(pair->near, SHUT_WR);
	assert_int_equal(vhost_user_receive(pair->far, &received), -ECONNRESET);
	assert_int_equal(open_descriptors(), open_before);
}

static void a_payload_too_large_is_refused(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_header header = {
		VHOST_USER_GET_CONFIG, VHOST_USER_VERSION, sizeof(union vhost_user_payload) + 1};
	struct vhost_user_message received;

	send_raw(pair->near, &header, sizeof(header), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), -EPROTO);
}

static void another_version_is_refused(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_header header = {VHOST_USER_GET_FEATURES, 2, 0};
	struct vhost_user_message received;

	send_raw(pair->near, &header, sizeof(header), 0);
	assert_int_equal(vhost_user_receive(pair->far, &received), -EPROTO);
}

static void too_many_descriptors_are_refused_and_closed(void **state)
{
	static const unsigned counts[] = {VHOST_USER_FDS_MAX + 1, 60};
	const struct pair *pair = *state;
	const unsigned open_before = open_descriptors();

	for (unsigned i = 0; i < 2; i++) {
		struct vhost_user_header header = {VHOST_USER_SET_MEM_TABLE, VHOST_USER_VERSION, 0};
		struct vhost_user_message received;

		send_raw(pair->near, &header, sizeof(header), counts[i]);
		assert_int_equal(vhost_user_receive(pair->far, &received), -EPROTO);
		assert_int_equal(open_descriptors(), open_before);
	}
}

static void a_message_too_large_is_not_sent(void **state)
{
	const struct pair *pair = *state;
	struct vhost_user_message message = make_message(VHOST_USER_SET_CONFIG, 8);

	message.header.size_bytes = sizeof(union vhost_user_payload) + 1;
	assert_int_equal(vhost_user_send(pair->near, &message), -EINVAL);
	message.header.size_bytes = 8;
	message.fd_count = VHOST_USER_FDS_MAX + 1;
	assert_int_equal(vhost_user_send(pair->near, &message), -EINVAL);
}

static void a_peer_that_has_gone_is_an_error_and_no_signal(void **state)
{
	struct pair *pair = *state;
	struct vhost_user_message message = make_message(VHOST_USER_SET_FEATURES, 8);

	close(pair->far);
	pair->far = -1;
	assert_int_equal(vhost_user_send(pair->near, &message), -EPIPE);
}

static void requests_have_names(void **state)
{
	assert_string_equal(vhost_user_request_name(VHOST_USER_SET_MEM_TABLE), "SET_MEM_TABLE");
	assert_string_equal(vhost_user_request_name(0), "unknown request");
	assert_string_equal(vhost_user_request_name(19), "unknown request");
	assert_string_equal(vhost_user_request_name(UINT32_MAX), "unknown request");
}

#define PAIR_TEST(test) cmocka_unit_test_setup_teardown(test, open_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(a_message_arrives_as_it_was_sent),
		PAIR_TEST(descriptors_travel_with_their_message),
		cmocka_unit_test(a_descriptor_is_taken_once),
		PAIR_TEST(two_messages_in_one_write_are_two),
		PAIR_TEST(a_message_in_pieces_is_put_together),
		PAIR_TEST(a_message_that_trickles_in_has_a_deadline),
		PAIR_TEST(a_peer_that_reads_nothing_has_a_deadline),
		PAIR_TEST(the_end_of_the_stream_is_a_reset),
		PAIR_TEST(half_a_message_is_a_reset_and_closes_its_descriptors),
		PAIR_TEST(a_payload_too_large_is_refused),
		PAIR_TEST(another_version_is_refused),
		PAIR_TEST(too_many_descriptors_are_refused_and_closed),
		PAIR_TEST(a_message_too_large_is_not_sent),
		PAIR_TEST(a_peer_that_has_gone_is_an_error_and_no_signal),
		cmocka_unit_test(requests_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
