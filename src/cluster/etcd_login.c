#include "cluster/etcd_login.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_BYTES_MAX 1024u

static int read_password(const char *file, char password[PASSWORD_BYTES_MAX], struct error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t bytes;
	int result = 0;

	if (fd < 0)
		return error_set(error, -EACCES, "etcd's password %s: %s", file, strerror(errno));
	bytes = read(fd, password, PASSWORD_BYTES_MAX - 1);
	if (fstat(fd, &status) < 0 || (status.st_mode & 077))
		result = error_set(error, -EPERM,
			"etcd's password %s can be read by others; chmod 600 it", file);
	else if (bytes <= 0)
		result = error_set(error, -EINVAL, "etcd's password %s is empty", file);
	close(fd);
	if (result < 0)
		return result;
	password[bytes] = '\0';
	password[strcspn(password, "\r\n")] = '\0';
	return 0;
}

int etcd_login_request(const struct etcd_config *config, json_t **request, struct error *error)
{
	char password[PASSWORD_BYTES_MAX] = "";
	int result = read_password(config->password_file, password, error);

	if (result == 0) {
		*request = json_pack("{s:s, s:s}", "name", config->user, "password", password);
		if (!*request)
			result = error_set(error, -EINVAL, "user and password must be UTF-8");
	}
	sodium_memzero(password, sizeof password);
	return result;
}
