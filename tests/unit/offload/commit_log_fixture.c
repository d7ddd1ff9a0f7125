#include "commit_log_fixture.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct changes changes;
char directory[64], path[80];
struct commit_log commits;
struct error reason;

/* ---- what the log asks for ---- */

static int settle(void *context, enum commit_log_settling how, uint64_t *settled)
{
	if (how == LOG_WAIT) {
		changes.waits++;
		if (changes.failure)
			return changes.failure;
		changes.settled = changes.last;
	}
	*settled = changes.settled;
	return 0;
}

size_t allocated(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int apply(void *context, uint64_t number, struct bytes record, struct error *why)
{
	assert_int_equal(number, changes.last + 1);
	assert_true(record.bytes >= sizeof number);
	assert_memory_equal(record.data, &number, sizeof number);
	changes.last = number;
	changes.applied++;
	changes.bytes = record.bytes;
	if (changes.memory < allocated())
		changes.memory = allocated();
	return 0;
}

static int open_log(void)
{
	const struct commit_log_config config = {.directory = directory,
		.segment_bytes = SEGMENT_BYTES,
		.settle = settle,
		.apply = apply};

	return commit_log_open(&commits, &config, &reason);
}

/* As after a crash: what was not on the changes' device is gone. */
int open_again(void)
{
	changes.last = changes.settled;
	changes.applied = changes.waits = 0;
	return open_log();
}

void crash(void)
{
	commit_log_close(&commits);
}

int append(size_t bytes, bool is_durable)
{
	char *data = calloc(1, bytes);
	int failure = commit_log_begin(&commits, bytes, true);

	if (!failure) {
		changes.last = commit_log_number(&commits);
		memcpy(data, &changes.last, sizeof changes.last);
		failure = commit_log_end(
			&commits, (struct bytes){.data = data, .bytes = bytes}, is_durable);
	}
	free(data);
	return failure;
}

void append_some(unsigned count, size_t bytes)
{
	while (count--)
		assert_int_equal(append(bytes, true), 0);
}

/* ---- the first segment, as a file ---- */

void read_file(void *data, size_t bytes, off_t offset)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, data, bytes, offset), bytes);
	close(fd);
}

void write_file(const void *data, size_t bytes, off_t offset)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, data, bytes, offset), bytes);
	close(fd);
}

char *read_whole(size_t *bytes)
{
	struct stat status;
	char *data;

	assert_int_equal(stat(path, &status), 0);
	*bytes = (size_t)status.st_size;
	data = malloc(*bytes);
	assert_non_null(data);
	read_file(data, *bytes, 0);
	return data;
}

void spoil(off_t offset)
{
	char byte;

	read_file(&byte, 1, offset);
	byte ^= 1;
	write_file(&byte, 1, offset);
}

/* ---- around each test ---- */

int commit_log_set_up(void **state)
{
	memset(&changes, 0, sizeof changes);
	snprintf(directory, sizeof directory, "/dev/shm/sluice-commit-log.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/0", directory);
	assert_int_equal(open_log(), 0);
	return 0;
}

int commit_log_tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	return system(command); // NOLINT(cert-env33-c): the name is our own
}
