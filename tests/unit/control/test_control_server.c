/* The control socket against good, slow and hostile clients. */
#include "../cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/socket/control_client.h"
#include "control/socket/control_server.h"

#define FLOOD_BYTES (4u << 20)

struct fixture {
	char directory[32];
	char path[64];
	struct control_server *server;
	int stop[2];
	pthread_t thread;
};

static int echo(void *context, const json_t *params, json_t **result, struct error *error)
{
	*result = json_incref((json_t *)params);
	return 0;
}

static const struct rpc_method methods[] = {{"echo", echo}, {0}};

static void *serve(void *argument)
{
	struct fixture *fixture = argument;
	struct pollfd stop = {fixture->stop[0], POLLIN, 0};

	while (!stop.revents)
		control_server_wait(fixture->server, &stop, 1, -1);
	return NULL;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct error error;

	strcpy(fixture->directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof fixture->path, "%s/control.sock", fixture->directory);
	assert_int_equal(
		control_server_open(fixture->path, NULL, methods, NULL, &fixture->server, &error),
		0);
	assert_int_equal(pipe(fixture->stop), 0);
	assert_int_equal(pthread_create(&fixture->thread, NULL, serve, fixture), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	char lock[80];

	assert_int_equal(write(fixture->stop[1], "", 1), 1);
	pthread_join(fixture->thread, NULL);
	control_server_close(fixture->server);
	assert_int_equal(access(fixture->path, F_OK), -1);
	snprintf(lock, sizeof lock, "%s.lock", fixture->path);
	unlink(lock);
	assert_int_equal(rmdir(fixture->directory), 0);
	close(fixture->stop[0]);
	close(fixture->stop[1]);
	free(fixture);
	return 0;
}

static int connect_to(const struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", fixture->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void expect_service(const struct fixture *fixture)
{
	struct error error;
	json_t *result;

	assert_int_equal(
		control_call(fixture->path, "echo", json_pack("{s:i}", "a", 1), &result, &error),
		0);
	assert_int_equal(json_integer_value(json_object_get(result, "a")), 1);
	json_decref(result);
}

static void a_call_goes_through(void **state)
{
	expect_service(*state);
}

static void an_error_comes_back_as_its_errno(void **state)
{
	struct fixture *fixture = *state;
	struct error error;
	json_t *result;

	assert_int_equal(control_call(fixture->path, "ecko", json_object(), &result, &error), -EIO);
	assert_string_equal(error.message, "no such method; did you mean 'echo'?");
	json_decref(result);
}

static void the_socket_is_not_for_everybody(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;

	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0660);
}

static void a_second_daemon_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct control_server *second;
	struct error error;

	assert_int_equal(control_server_open(fixture->path, NULL, methods, NULL, &second, &error),
		-EADDRINUSE);
	assert_non_null(strstr(error.message, "another sluiced has the control socket"));
	expect_service(fixture);
}

static void requests_may_come_in_pieces_and_in_heaps(void **state)
{
	static const char two[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n"
				  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"echo\"}\n";
	int fd = connect_to(*state);
	FILE *stream = fdopen(fd, "r");
	char line[128];

	for (size_t i = 0; i < sizeof two - 1; i++)
		assert_int_equal(send(fd, two + i, 1, 0), 1);
	assert_non_null(fgets(line, sizeof line, stream));
	assert_non_null(strstr(line, "\"id\":1"));
	assert_non_null(fgets(line, sizeof line, stream));
	assert_non_null(strstr(line, "\"id\":2"));
	fclose(stream);
}

static void a_client_that_says_nothing_harms_nobody(void **state)
{
	int fd = connect_to(*state);

	expect_service(*state);
	close(fd);
}

static void a_line_without_end_is_cut_off(void **state)
{
	char *flood = malloc(FLOOD_BYTES);
	int fd = connect_to(*state);
	size_t sent = 0;
	ssize_t count;

	memset(flood, ' ', FLOOD_BYTES);
	while (sent < FLOOD_BYTES &&
		(count = send(fd, flood + sent, FLOOD_BYTES - sent, MSG_NOSIGNAL)) > 0)
		sent += (size_t)count;
	assert_true(sent < FLOOD_BYTES);
	expect_service(*state);
	close(fd);
	free(flood);
}

static void a_client_that_never_reads_harms_nobody(void **state)
{
	static const char request[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\n";
	int fd = connect_to(*state);

	while (send(fd, request, sizeof request - 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	expect_service(*state);
	close(fd);
}

static void more_clients_than_places_push_out_the_silent(void **state)
{
	int fds[CONTROL_CONNECTIONS_MAX + 8];

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		fds[i] = connect_to(*state);
	expect_service(*state);
	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		close(fds[i]);
}

static void a_daemon_that_is_not_there_is_named(void **state)
{
	struct error error;
	json_t *result;

	assert_int_equal(
		control_call("/nonexistent/control.sock", "echo", json_object(), &result, &error),
		-ENOENT);
	assert_non_null(strstr(error.message, "/nonexistent/control.sock"));
	assert_non_null(strstr(error.message, "systemctl start sluiced"));
}

static void a_file_in_the_sockets_place_is_kept(void **state)
{
	char directory[] = "/tmp/sluice-test-XXXXXX", path[64], lock[72];
	struct control_server *server;
	struct error error;
	FILE *file;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/file", directory);
	snprintf(lock, sizeof lock, "%s.lock", path);
	file = fopen(path, "w");
	fclose(file);
	assert_int_equal(control_server_open(path, NULL, methods, NULL, &server, &error), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	unlink(lock);
	rmdir(directory);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(a_call_goes_through),
		WITH_SERVER(an_error_comes_back_as_its_errno),
		WITH_SERVER(the_socket_is_not_for_everybody),
		WITH_SERVER(a_second_daemon_is_refused),
		WITH_SERVER(requests_may_come_in_pieces_and_in_heaps),
		WITH_SERVER(a_client_that_says_nothing_harms_nobody),
		WITH_SERVER(a_line_without_end_is_cut_off),
		WITH_SERVER(a_client_that_never_reads_harms_nobody),
		WITH_SERVER(more_clients_than_places_push_out_the_silent),
		cmocka_unit_test(a_daemon_that_is_not_there_is_named),
		cmocka_unit_test(a_file_in_the_sockets_place_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
