#include "gatekeeper/netdev/root_note.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Kind and options, with what is around them. */
#define NOTE_BYTES_MAX (ROOT_QDISC_OPTIONS_BYTES_MAX + 128u)

char *root_note_path(const char *state_directory, const char *netdev)
{
	char *path;

	return asprintf(&path, "%s/%s.qdisc", state_directory, netdev) < 0 ? NULL : path;
}

/* ---- writing ---- */

static int write_message(int file, const struct root_qdisc *qdisc)
{
	struct nl_msg *message = root_qdisc_describe(qdisc);
	const struct nlmsghdr *header;
	ssize_t written;
	int result = 0;

	if (!message)
		return -ENOMEM;
	header = nlmsg_hdr(message);
	written = write(file, header, header->nlmsg_len);
	if (written != (ssize_t)header->nlmsg_len)
		result = written < 0 ? -errno : -ENOSPC;
	nlmsg_free(message);
	return result;
}

static int write_file(const char *path, const struct root_qdisc *qdisc)
{
	int file, result;

	(void)unlink(path); /* of somebody who was killed while writing */
	file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return -errno;
	result = write_message(file, qdisc);
	close(file);
	return result;
}

int root_note_write(const char *path, const struct root_qdisc *qdisc)
{
	char *new_path;
	int result;

	if (asprintf(&new_path, "%s.new", path) < 0)
		return -ENOMEM;
	result = write_file(new_path, qdisc);
	if (result == 0 && rename(new_path, path) < 0)
		result = -errno;
	if (result < 0)
		(void)unlink(new_path);
	free(new_path);
	return result;
}

/* ---- reading ---- */

int root_note_parse(const void *note, size_t bytes, struct root_qdisc *qdisc)
{
	if (root_qdisc_parse(note, bytes, qdisc) < 0 || !qdisc->is_told_whole)
		return -EBADMSG;
	if (qdisc->ifindex <= 0 || !qdisc->handle || TC_H_MIN(qdisc->handle))
		return -EBADMSG;
	return 0;
}

static ssize_t read_file(const char *path, void *note, size_t bytes)
{
	int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t result;

	if (file < 0)
		return -errno;
	result = read(file, note, bytes);
	if (result < 0)
		result = -errno;
	close(file);
	return result;
}

int root_note_read(const char *path, int ifindex, struct root_qdisc *qdisc)
{
	uint8_t note[NOTE_BYTES_MAX + 1] __attribute__((aligned(4)));
	ssize_t bytes = read_file(path, note, sizeof note);
	int result;

	if (bytes < 0)
		return (int)bytes;
	result = root_note_parse(note, (size_t)bytes, qdisc);
	if (result == 0 && qdisc->ifindex != ifindex)
		result = -ESTALE;
	return result;
}

int root_note_remove(const char *path)
{
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}
