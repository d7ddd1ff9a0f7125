#include "control/socket/control_client.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ERRNO_MAX EHWPOISON /* the last one that Linux has */

static int no_permission(const char *path, struct error *error)
{
	struct group *group;
	struct stat status;

	if (stat(path, &status) < 0)
		return error_set(error, -EACCES, "no permission to use %s; run as root", path);
	group = getgrgid(status.st_gid);
	return error_set(error, -EACCES,
		"no permission to use %s; join group '%s' (usermod -aG %s USER), or run as root",
		path, group ? group->gr_name : "?", group ? group->gr_name : "GROUP");
}

static int not_connected(const char *path, int code, struct error *error)
{
	if (code == EACCES)
		return no_permission(path, error);
	if (code == ENOENT || code == ECONNREFUSED)
		return error_set(error, -code,
			"sluiced is not running (nothing listens on %s); start it with 'systemctl "
			"start "
			"sluiced' or 'sluiced --config FILE', or name its socket with --control",
			path);
	return error_set(error, -code, "cannot connect to %s: %s", path, strerror(code));
}

static int open_connection(const char *path, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, code;

	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "%s is too long for a socket", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "cannot make a socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	code = errno;
	close(fd);
	return not_connected(path, code, error);
}

/* Send the request and read one line; the daemon may stop in between. */
static char *exchange(int fd, const char *request)
{
	size_t size = 0;
	char *line = NULL;
	FILE *stream;

	if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request) ||
		send(fd, "\n", 1, MSG_NOSIGNAL) != 1)
		return NULL;
	stream = fdopen(dup(fd), "r");
	if (!stream)
		return NULL;
	if (getline(&line, &size, stream) <= 0) {
		free(line);
		line = NULL;
	}
	fclose(stream);
	return line;
}

static int refusal(const json_t *failure, struct error *error)
{
	const char *message = json_string_value(json_object_get(failure, "message"));
	const char *name =
		json_string_value(json_object_get(json_object_get(failure, "data"), "errno"));
	int code = EIO;

	for (int i = 1; name && i <= ERRNO_MAX; i++)
		if (strerrorname_np(i) && strcmp(strerrorname_np(i), name) == 0)
			code = i;
	return error_set(error, -code, "%s", message ? message : "sluiced failed to say why");
}

static int read_answer(const char *line, json_t **result, struct error *error)
{
	json_t *answer = json_loads(line, 0, NULL);
	json_t *failure = json_object_get(answer, "error");
	int code = 0;

	*result = json_incref(json_object_get(answer, "result"));
	if (failure)
		code = refusal(failure, error);
	else if (!*result)
		code = error_set(error, -EPROTO, "the answer is not JSON-RPC; is this sluiced?");
	json_decref(answer);
	return code;
}

int control_call(const char *socket_path, const char *method, json_t *params, json_t **result,
	struct error *error)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method",
		method, "params", params);
	char *text = json_dumps(request, JSON_COMPACT), *line;
	int fd, code;

	json_decref(request);
	if (!text)
		return error_set(error, -EINVAL, "a value is not UTF-8 text");
	fd = open_connection(socket_path, error);
	if (fd < 0) {
		free(text);
		return fd;
	}
	line = exchange(fd, text);
	code = line ? read_answer(line, result, error)
		    : error_set(error, -ECONNRESET, "sluiced closed the connection; see its log");
	free(line);
	free(text);
	close(fd);
	return code;
}
