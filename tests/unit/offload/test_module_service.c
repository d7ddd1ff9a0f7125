/* Clients of a module, over a real channel: who waits, who is answered, and what is given up when. */
#include "../cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"
#include "channel/channel_client.h"
#include "offload/host/module_service.h"

#define CONNECTIONS 4
#define LARGE_BYTES (1u << 20)

/* ---- a module that does what the first letter says ---- */

static sem_t has_begun, may_end, has_gone;

struct test_session {
	int is_at_work; /* at a request that waits */
	bool has_worked;
};

static int given_up_too_early;

static int test_connect(void *instance, void **session)
{
	if (*(const bool *)instance)
		return -EBUSY;
	*session = calloc(1, sizeof(struct test_session));
	return *session ? 0 : -ENOMEM;
}

static void test_disconnect(void *session)
{
	struct test_session *ours = session;

	if (__atomic_load_n(&ours->is_at_work, __ATOMIC_RELAXED))
		__atomic_store_n(&given_up_too_early, 1, __ATOMIC_RELAXED);
	if (ours->has_worked)
		sem_post(&has_gone);
	free(ours);
}

static enum module_result wait_a_while(
	struct test_session *session, const struct module_request *request)
{
	if (!request->may_wait)
		return MODULE_WOULD_WAIT;
	session->has_worked = true;
	__atomic_store_n(&session->is_at_work, 1, __ATOMIC_RELAXED);
	sem_post(&has_begun);
	sem_wait(&may_end);
	__atomic_store_n(&session->is_at_work, 0, __ATOMIC_RELAXED);
	return MODULE_DONE;
}

static bool has_interrupt;

static enum module_result test_handle(
	void *session, const struct module_request *request, struct module_reply *reply)
{
	switch (*(const char *)request->data) {
	case 'h':
		return MODULE_HANG_UP;
	case 'w':
		return wait_a_while(session, request);
	case 'W': /* against the rules */
		return MODULE_WOULD_WAIT;
	case 'L':
		if (!reply->grow(reply, LARGE_BYTES))
			return MODULE_HANG_UP;
		memset(reply->data, 'L', LARGE_BYTES);
		reply->bytes = LARGE_BYTES;
		return MODULE_DONE;
	case 'o': /* likewise */
		reply->bytes = reply->capacity_bytes + 1;
		return MODULE_DONE;
	case 'm':
		return reply->grow(reply, CHANNEL_MESSAGE_BYTES_MAX_DEFAULT + 1) ? MODULE_HANG_UP
										 : MODULE_DONE;
	}
	memcpy(reply->data, request->data, request->bytes);
	reply->bytes = request->bytes;
	return MODULE_DONE;
}

static void test_interrupt(void *session)
{
	if (__atomic_load_n(&has_interrupt, __ATOMIC_RELAXED))
		sem_post(&may_end);
}

static const struct sluice_module module = {.abi = SLUICE_MODULE_ABI,
	.name = "test",
	.connect = test_connect,
	.disconnect = test_disconnect,
	.handle = test_handle,
	.interrupt = test_interrupt};

/* ---- its host ---- */

static struct {
	char socket_path[64], where[80];
	int listen_fd;
	bool is_full; /* the module's instance */
	struct sidecore *sidecore;
	struct worker_pool *workers;
	struct module_service *service;
	struct channel_server *server;
	struct channel *channel;
} host;

static void start_service(void)
{
	const struct module_service_config config = {
		.module = &module,
		.instance = &host.is_full,
		.workers = host.workers,
		.server_count = 1,
		.connections_max = CONNECTIONS,
		.message_bytes_max = CHANNEL_MESSAGE_BYTES_MAX_DEFAULT,
	};

	assert_int_equal(module_service_create(&config, &host.service, NULL), 0);
}

static void start_server(void)
{
	struct channel_server_config config = channel_server_config_default();

	config.name = "test";
	config.sidecore = host.sidecore;
	config.listen_fd = host.listen_fd;
	config.connections_max = CONNECTIONS;
	config.handlers = &module_service_handlers;
	config.context = module_service_context(host.service, 0);
	assert_int_equal(channel_server_create(&config, &host.server, NULL), 0);
	assert_int_equal(channel_server_start(host.server, NULL), 0);
}

static int set_up(void **state)
{
	const struct sidecore_config config = {.name = "test", .cpu = SIDECORE_NOT_PINNED};
	char message[256];

	sem_init(&has_begun, 0, 0);
	sem_init(&may_end, 0, 0);
	sem_init(&has_gone, 0, 0);
	host.is_full = false;
	snprintf(host.socket_path, sizeof host.socket_path, "/tmp/sluice-service-%d.sock",
		(int)getpid());
	snprintf(host.where, sizeof host.where, "unix:%s", host.socket_path);
	host.listen_fd = channel_server_listen(host.socket_path, NULL);
	assert_true(host.listen_fd >= 0);
	assert_int_equal(sidecore_start(&config, &host.sidecore, NULL), 0);
	assert_int_equal(
		worker_pool_create(host.sidecore, CONNECTIONS + 1, &host.workers, NULL), 0);
	start_service();
	start_server();
	assert_int_equal(channel_open(host.where, &host.channel, message, sizeof message), 0);
	return 0;
}

static int tear_down(void **state)
{
	channel_close(host.channel);
	channel_server_destroy(host.server);
	worker_pool_destroy(host.workers);
	module_service_destroy(host.service);
	sidecore_stop(host.sidecore);
	close(host.listen_fd);
	unlink(host.socket_path);
	return 0;
}

/* ---- its clients ---- */

static struct channel_connection *connect_client(void)
{
	struct channel_connection *connection;

	assert_int_equal(channel_connect(host.channel, &connection), 0);
	return connection;
}

static int ask(struct channel_connection *connection, const char *text, size_t *reply_bytes)
{
	const struct iovec part = {(void *)text, strlen(text)};
	const void *reply;

	return channel_call(connection, &part, 1, &reply, reply_bytes);
}

static void assert_is_answered(struct channel_connection *connection, const char *text)
{
	size_t reply_bytes;

	assert_int_equal(ask(connection, text, &reply_bytes), 0);
	assert_int_equal(reply_bytes, strlen(text));
}

static void *ask_to_wait(void *argument)
{
	size_t reply_bytes;

	return ask(argument, "wait", &reply_bytes) == 0 ? argument : NULL;
}

/* ---- tests ---- */

static void a_request_that_waits_holds_up_nobody_else(void **state)
{
	struct channel_connection *slow = connect_client(), *quick = connect_client();
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, ask_to_wait, slow);
	sem_wait(&has_begun);
	assert_is_answered(quick, "echo");
	sem_post(&may_end);
	pthread_join(thread, &result);
	assert_ptr_equal(result, slow);
	assert_int_equal(counter_get(&module_service_counters(host.service)->would_wait), 1);
	channel_disconnect(slow);
	channel_disconnect(quick);
}

static void a_client_that_goes_is_given_up_after_its_request(void **state)
{
	struct channel_connection *connection = connect_client();
	const struct iovec part = {"wait", 4};

	assert_int_equal(channel_send(connection, &part, 1), 0);
	sem_wait(&has_begun);
	channel_disconnect(connection);
	usleep(20000); /* so that it would be given up by now, if it were too early */
	sem_post(&may_end);
	sem_wait(&has_gone);
	assert_int_equal(given_up_too_early, 0);
}

static void a_client_that_goes_interrupts_its_request(void **state)
{
	struct channel_connection *connection = connect_client();
	const struct iovec part = {"wait", 4};

	__atomic_store_n(&has_interrupt, true, __ATOMIC_RELAXED);
	assert_int_equal(channel_send(connection, &part, 1), 0);
	sem_wait(&has_begun);
	channel_disconnect(connection);
	sem_wait(&has_gone); /* the interruption alone has ended the wait */
	assert_int_equal(given_up_too_early, 0);
	__atomic_store_n(&has_interrupt, false, __ATOMIC_RELAXED);
}

static void places_are_free_again_when_clients_have_gone(void **state)
{
	for (unsigned i = 0; i < 4 * CONNECTIONS; i++) {
		struct channel_connection *connection;
		int result;

		while ((result = channel_connect(host.channel, &connection)) == -EAGAIN)
			usleep(1000);
		assert_int_equal(result, 0);
		assert_is_answered(connection, "echo");
		channel_disconnect(connection);
	}
}

static void a_reply_may_grow(void **state)
{
	struct channel_connection *connection = connect_client();
	size_t reply_bytes;

	assert_int_equal(ask(connection, "Large", &reply_bytes), 0);
	assert_int_equal(reply_bytes, LARGE_BYTES);
	assert_int_equal(ask(connection, "more than there is", &reply_bytes), 0);
	assert_int_equal(reply_bytes, 0);
	assert_is_answered(connection, "echo");
	channel_disconnect(connection);
}

static void assert_is_hung_up_on(const char *text)
{
	struct channel_connection *connection = connect_client();
	size_t reply_bytes;

	assert_int_equal(ask(connection, text, &reply_bytes), -ECONNRESET);
	channel_disconnect(connection);
}

static void what_makes_no_sense_ends_one_connection(void **state)
{
	struct channel_connection *other = connect_client();

	assert_is_hung_up_on("hang up");
	assert_is_answered(other, "echo");
	assert_int_equal(counter_get(&module_service_counters(host.service)->hung_up), 1);
	channel_disconnect(other);
}

static void a_module_that_breaks_the_rules_is_hung_up_on(void **state)
{
	assert_is_hung_up_on("Wait always");
	assert_is_hung_up_on("overflow");
}

static void a_module_may_refuse_clients(void **state)
{
	struct channel_connection *connection;
	size_t reply_bytes;

	host.is_full = true;
	if (channel_connect(host.channel, &connection) < 0)
		return;
	assert_int_not_equal(ask(connection, "echo", &reply_bytes), 0);
	channel_disconnect(connection);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_request_that_waits_holds_up_nobody_else, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_client_that_goes_is_given_up_after_its_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_client_that_goes_interrupts_its_request, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			places_are_free_again_when_clients_have_gone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reply_may_grow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_makes_no_sense_ends_one_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_module_that_breaks_the_rules_is_hung_up_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_module_may_refuse_clients, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
