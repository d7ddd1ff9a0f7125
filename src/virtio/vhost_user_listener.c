#include "virtio/vhost_user_listener.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/path_group.h"

#define BACKLOG 4

static bool somebody_listens(const struct sockaddr_un *address)
{
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_live;

	if (probe < 0)
		return true;
	/* A full backlog (EAGAIN) is a sign of life, too. */
	is_live = connect(probe, (const void *)address, sizeof *address) == 0 || errno == EAGAIN;
	close(probe);
	return is_live;
}

/* Only ever remove a socket: a mistyped path must not cost a file. */
static bool is_socket(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

static int bind_socket(int fd, const struct sockaddr_un *address, struct error *error)
{
	if (bind(fd, (const void *)address, sizeof *address) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return error_set(error, -errno, "cannot create the socket %s: %s%s",
			address->sun_path, strerror(errno),
			errno == ENOENT ? "; make its directory" : "");
	if (!is_socket(address->sun_path))
		return error_set(error, -EEXIST,
			"%s exists and is not a socket; remove it or choose another path",
			address->sun_path);
	if (somebody_listens(address))
		return error_set(error, -EADDRINUSE,
			"another process listens on %s; stop it or choose another socket",
			address->sun_path);
	if (unlink(address->sun_path) < 0 || bind(fd, (const void *)address, sizeof *address) < 0)
		return error_set(error, -errno, "cannot replace the dead socket %s: %s",
			address->sun_path, strerror(errno));
	return 0;
}

int vhost_user_listen(const char *path, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, result;

	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "socket path %s is longer than %zu bytes",
			path, sizeof address.sun_path - 1);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "no socket: %s", strerror(errno));
	result = bind_socket(fd, &address, error);
	if (result < 0)
		goto fail;
	/* Processes of VMs need not be root's. */
	result = path_give_to_group(path, NULL, VHOST_USER_GROUP, error);
	if (result < 0)
		goto fail;
	if (listen(fd, BACKLOG) < 0) {
		result = error_set(error, -errno, "cannot listen on %s: %s", path, strerror(errno));
		goto fail;
	}
	return fd;

fail:
	close(fd);
	return result;
}
