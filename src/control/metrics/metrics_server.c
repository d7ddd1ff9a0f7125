#include "control/metrics/metrics_server.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

#include "control/metrics/exposition.h"

#define CONNECTIONS_MAX 16u
#define CONNECTION_TIMEOUT_S 5u
#define CONNECTION_BYTES_MAX 16384u /* for a request's head */

struct metrics_server {
	struct MHD_Daemon *daemon;
	metrics_source *source;
	void *context;
};

/* Answer a few words. */
static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct metrics_server *server, struct MHD_Connection *connection)
{
	size_t length = 0;
	char *text = server->source(server->context, &length);
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!text)
		return refuse(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	response = MHD_create_response_from_buffer(length, text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, EXPOSITION_CONTENT_TYPE);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* The library says which parameters it takes. NOLINTNEXTLINE(readability-function-size) */
static enum MHD_Result handle(void *context, struct MHD_Connection *connection, const char *path,
	const char *method, const char *version, const char *upload, size_t *upload_bytes,
	void **request)
{
	if (strcmp(path, "/metrics") != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "there is only /metrics\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is served\n");
	return answer(context, connection);
}

/* Ours rather than the library's, whose failures have no reasons. */
static int open_socket(const struct sockaddr_storage *address, struct error *error)
{
	socklen_t length = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							  : sizeof(struct sockaddr_in);
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int one = 1;
	int result;

	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
		bind(fd, (const struct sockaddr *)address, length) == 0 &&
		listen(fd, (int)CONNECTIONS_MAX) == 0)
		return fd;
	result = error_set(
		error, -errno, "control.metrics: cannot listen there: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return result;
}

int metrics_server_open(const struct sockaddr_storage *address, metrics_source *source,
	void *context, struct metrics_server **server, struct error *error)
{
	struct metrics_server *created = calloc(1, sizeof *created);
	int fd;

	*server = NULL;
	if (!created)
		return error_set(error, -ENOMEM, "out of memory");
	created->source = source;
	created->context = context;
	fd = open_socket(address, error);
	if (fd < 0) {
		free(created);
		return fd;
	}
	created->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, created,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX, MHD_OPTION_END);
	if (!created->daemon) {
		close(fd);
		free(created);
		return error_set(error, -EIO, "control.metrics: libmicrohttpd does not start");
	}
	*server = created;
	return 0;
}

void metrics_server_close(struct metrics_server *server)
{
	if (!server)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}

int metrics_server_fd(const struct metrics_server *server)
{
	if (!server)
		return -1;
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

int metrics_server_timeout_ms(struct metrics_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (!server || MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES)
		return -1;
	return (int)MIN(timeout_ms, (MHD_UNSIGNED_LONG_LONG)INT_MAX);
}

static unsigned connections(const struct metrics_server *server)
{
	return MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
		->num_connections;
}

void metrics_server_run(struct metrics_server *server)
{
	unsigned before;

	if (!server)
		return;
	/* When all places were taken and one has become free, only another round listens again. */
	do {
		before = connections(server);
		MHD_run(server->daemon);
	} while (connections(server) < before);
}
