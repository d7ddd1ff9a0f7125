/*
 * Theory of operation. A file PATH.lock, locked for as long as the process lives, decides who owns
 * the path: the kernel drops the lock with the process, so what a dead daemon left is replaced
 * without a race between two new ones. The socket gets its mode and group before it listens, so
 * there is no moment in which it accepts others.
 */
#include "control/socket/control_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path_group.h"
#include "control/socket/control_server.h"

static int take_lock(struct control_listener *listener, struct error *error)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s.lock", listener->path);
	listener->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listener->lock < 0)
		return error_set(error, -errno,
			"cannot make %s: %s; choose another place with --control", path,
			strerror(errno));
	if (flock(listener->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return error_set(error, -EADDRINUSE,
		"another sluiced has the control socket %s; stop it, or choose another with "
		"--control",
		listener->path);
}

/* Only ever remove a socket: a mistyped path must not cost a file. */
static int remove_stale(const char *path, struct error *error)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode))
		return error_set(error, -EEXIST, "%s exists and is not a socket; remove it", path);
	if (unlink(path) < 0)
		return error_set(error, -errno, "cannot remove the old socket %s: %s", path,
			strerror(errno));
	return 0;
}

static int bind_socket(struct control_listener *listener, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, listener->path, sizeof address.sun_path);
	listener->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->socket < 0 ||
		bind(listener->socket, (struct sockaddr *)&address, sizeof address) < 0)
		return error_set(error, -errno, "cannot make the control socket %s: %s",
			listener->path, strerror(errno));
	return 0;
}

static int give_to_group(const char *path, const char *group, struct error *error)
{
	int result = path_give_to_group(path, group, CONTROL_GROUP_DEFAULT, error);

	return result < 0 ? error_prefix(error, result, "control.group: ") : 0;
}

int control_listen(
	const char *path, const char *group, struct control_listener *listener, struct error *error)
{
	int result;

	*listener = (struct control_listener){.socket = -1, .lock = -1};
	if (strlen(path) >= sizeof listener->path)
		return error_set(error, -ENAMETOOLONG,
			"%s is too long for a socket; at most %zu bytes", path,
			sizeof listener->path - 1);
	snprintf(listener->path, sizeof listener->path, "%s", path);
	result = take_lock(listener, error);
	if (result == 0)
		result = remove_stale(path, error);
	if (result == 0)
		result = bind_socket(listener, error);
	if (result == 0)
		result = give_to_group(path, group, error);
	if (result == 0 && listen(listener->socket, SOMAXCONN) < 0)
		result = error_set(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
	if (result < 0)
		control_listener_close(listener);
	return result;
}

void control_listener_close(struct control_listener *listener)
{
	if (listener->socket >= 0) {
		unlink(listener->path);
		close(listener->socket);
	}
	if (listener->lock >= 0)
		close(listener->lock);
}
