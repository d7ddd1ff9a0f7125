#include "cluster/etcd_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 4096u

static int reserve(struct etcd_lines *lines, size_t wanted)
{
	size_t capacity = lines->capacity ? lines->capacity : CAPACITY_MIN;
	char *bytes;

	if (wanted > ETCD_OBJECT_BYTES_MAX)
		return -EMSGSIZE;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity == lines->capacity)
		return 0;
	bytes = realloc(lines->bytes, capacity);
	if (!bytes)
		return -ENOMEM;
	lines->bytes = bytes;
	lines->capacity = capacity;
	return 0;
}

int etcd_lines_append(struct etcd_lines *lines, const char *bytes, size_t count)
{
	int result = reserve(lines, lines->used + count);

	if (result < 0)
		return result;
	memcpy(lines->bytes + lines->used, bytes, count);
	lines->used += count;
	return 0;
}

int etcd_lines_feed(struct etcd_lines *lines, const char *bytes, size_t count,
	etcd_line_handler *handler, void *context)
{
	const char *end;
	int result = 0;

	while (result == 0 && (end = memchr(bytes, '\n', count))) {
		size_t length = (size_t)(end - bytes);

		result = etcd_lines_append(lines, bytes, length);
		if (result == 0 && lines->used)
			result = handler(context, lines->bytes, lines->used);
		lines->used = 0;
		bytes += length + 1;
		count -= length + 1;
	}
	return result < 0 ? result : etcd_lines_append(lines, bytes, count);
}

void etcd_lines_reset(struct etcd_lines *lines)
{
	free(lines->bytes);
	*lines = (struct etcd_lines){0};
}
