#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "disk/image.h"

static bool is_block_device(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

int image_path(const char *pool_path, const char *image, const char *name, char *path, size_t size)
{
	int length;

	if (*image == '/')
		length = snprintf(path, size, "%s", image);
	else if (*image)
		length = snprintf(path, size, "%s/%s", pool_path, image);
	else if (is_block_device(pool_path))
		length = snprintf(path, size, "%s", pool_path);
	else
		length = snprintf(path, size, "%s/%s.img", pool_path, name);
	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}
