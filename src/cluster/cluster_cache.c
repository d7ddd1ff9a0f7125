/*
 * The file has a line per key: ["KEY", "VALUE", MOD_REVISION, CREATE_REVISION]. A line that makes no
 * sense ends it, as what follows cannot be trusted either.
 */
#include "cluster/cluster_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/etcd_lines.h"

/* ---- saving ---- */

static int write_record(void *context, const struct cluster_record *record)
{
	json_t *line = json_pack("[s, s, I, I]", record->key, record->value,
		(json_int_t)record->mod_revision, (json_int_t)record->create_revision);
	FILE *file = context;
	int result = line ? json_dumpf(line, file, JSON_COMPACT) : -1;

	json_decref(line);
	return result < 0 || fputc('\n', file) == EOF ? -EIO : 0;
}

/* The new file takes the old one's name when it is whole. */
int cluster_cache_save(const struct cluster_state *state, const char *file, struct error *error)
{
	char whole[PATH_MAX];
	FILE *to;
	int result;
	int fd;

	snprintf(whole, sizeof whole, "%s.new", file);
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	to = fd < 0 ? NULL : fdopen(fd, "w");
	if (!to) {
		result = -errno;
		if (fd >= 0)
			close(fd);
		return error_set(error, result, "cannot write %s: %s", whole, strerror(-result));
	}
	result = cluster_state_visit(state, write_record, to);
	if (fclose(to) == EOF)
		result = -errno;
	if (result == 0 && rename(whole, file) < 0)
		result = -errno;
	return result < 0 ? error_set(error, result, "cannot write %s: %s", file, strerror(-result))
			  : 0;
}

/* ---- loading ---- */

static int take_line(void *context, const char *line, size_t bytes)
{
	json_t *record = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, NULL);
	struct etcd_pair pair = {0};
	json_int_t mod_revision, create_revision;
	int result = json_unpack(record, "[s%, s%, I, I!]", &pair.key, &pair.key_bytes, &pair.value,
		&pair.value_bytes, &mod_revision, &create_revision);

	if (result == 0) {
		pair.mod_revision = mod_revision;
		pair.create_revision = create_revision;
		cluster_state_take(context, &pair);
	}
	json_decref(record);
	return result < 0 ? -EINVAL : 0;
}

int cluster_cache_parse(struct cluster_state *state, const char *text, size_t bytes)
{
	struct etcd_lines lines = {0};
	int result = etcd_lines_feed(&lines, text, bytes, take_line, state);

	if (result == 0 && lines.used)
		result = -EINVAL;
	etcd_lines_reset(&lines);
	return result;
}

static int parse_file(struct cluster_state *state, int fd)
{
	struct stat status;
	void *text;
	int result;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode) || status.st_size > CLUSTER_CACHE_BYTES_MAX)
		return -EINVAL;
	if (!status.st_size)
		return 0;
	text = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return -errno;
	result = cluster_cache_parse(state, text, (size_t)status.st_size);
	munmap(text, (size_t)status.st_size);
	return result;
}

int cluster_cache_load(struct cluster_state *state, const char *file, struct error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int result = fd < 0 ? -errno : parse_file(state, fd);

	if (fd >= 0)
		close(fd);
	return result < 0 ? error_set(error, result, "%s: %s", file, strerror(-result)) : 0;
}
