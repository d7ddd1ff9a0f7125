/*
 * A module that does what it is told, in words: "hang" and "crash" where others wait for it, "sleep" where it may wait, "try NAME" one
 * of the attempts, "keep TEXT" and "kept" with a file in its directory, "process" to tell which it is, "read N" for so many
 * reads past the page cache and a flush, "nonsense" to be hung up on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attempts.h"
#include "offload/module.h"

#define WORDS_BYTES 256
#define BLOCK_BYTES 4096

static char directory[PATH_MAX];

static int open_trouble(
	const struct module_setup *setup, void **instance, char *message, size_t size)
{
	for (size_t i = 0; i < setup->option_count; i++)
		if (strcmp(setup->options[i].name, "refuse") == 0) {
			snprintf(message, size, "%s", setup->options[i].value);
			return -EINVAL;
		}
	snprintf(directory, sizeof directory, "%s", setup->directory);
	*instance = directory;
	return 0;
}

static void close_trouble(void *instance)
{
}

static int connect_client(void *instance, void **session)
{
	*session = instance;
	return 0;
}

static void disconnect_client(void *session)
{
}

static enum module_result reply_text(struct module_reply *reply, const char *text)
{
	reply->bytes = strlen(text);
	memcpy(reply->data, text, reply->bytes);
	return MODULE_DONE;
}

/* ---- orders ---- */

static enum module_result hang(const char *rest, bool may_wait, struct module_reply *reply)
{
	static volatile bool is_hanging = true;

	while (is_hanging)
		;
	return MODULE_HANG_UP;
}

static enum module_result crash(const char *rest, bool may_wait, struct module_reply *reply)
{
	abort();
	return MODULE_HANG_UP;
}

static enum module_result sleep_a_while(const char *rest, bool may_wait, struct module_reply *reply)
{
	if (!may_wait)
		return MODULE_WOULD_WAIT;
	usleep(500000);
	return reply_text(reply, "slept");
}

static enum module_result try(const char *rest, bool may_wait, struct module_reply *reply)
{
	const struct attempt *attempt = attempt_find(rest);
	int error = attempt ? attempt->run() : -1;

	if (!attempt)
		return MODULE_HANG_UP;
	return reply_text(reply, error ? strerrorname_np(error) : "done");
}

static void path_of(char path[PATH_MAX + 8])
{
	snprintf(path, PATH_MAX + 8, "%s/kept", directory);
}

static enum module_result keep(const char *rest, bool may_wait, struct module_reply *reply)
{
	char path[PATH_MAX + 8], temporary[PATH_MAX + 16];
	FILE *file;

	path_of(path);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	file = fopen(temporary, "w");
	if (!file)
		return reply_text(reply, strerrorname_np(errno));
	fputs(rest, file);
	fflush(file);
	if (fdatasync(fileno(file)) < 0 || fclose(file) != 0 || rename(temporary, path) < 0)
		return reply_text(reply, strerrorname_np(errno));
	return reply_text(reply, "kept");
}

static enum module_result kept(const char *rest, bool may_wait, struct module_reply *reply)
{
	char path[PATH_MAX + 8], text[WORDS_BYTES] = "nothing";
	FILE *file;

	path_of(path);
	file = fopen(path, "r");
	if (file && !fgets(text, sizeof text, file))
		*text = '\0';
	if (file)
		fclose(file);
	return reply_text(reply, text);
}

/* The device's block, in a file that a read goes past the page cache of. */
static int open_blocks(void *block)
{
	char path[PATH_MAX + 8];
	int fd;

	snprintf(path, sizeof path, "%s/blocks", directory);
	fd = open(path, O_RDWR | O_CREAT | O_DIRECT, 0600);
	memset(block, 'x', BLOCK_BYTES);
	if (fd >= 0 && pwrite(fd, block, BLOCK_BYTES, 0) != BLOCK_BYTES) {
		close(fd);
		return -1;
	}
	return fd;
}

static enum module_result read_blocks(const char *rest, bool may_wait, struct module_reply *reply)
{
	static _Alignas(BLOCK_BYTES) char block[BLOCK_BYTES];
	unsigned long left = strtoul(rest, NULL, 10);
	int fd, result;

	if (!may_wait)
		return MODULE_WOULD_WAIT;
	fd = open_blocks(block);
	while (fd >= 0 && left && pread(fd, block, BLOCK_BYTES, 0) == BLOCK_BYTES)
		left--;
	result = fd < 0 || left || fdatasync(fd) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return reply_text(reply, result ? strerrorname_np(result) : "read");
}

static enum module_result process(const char *rest, bool may_wait, struct module_reply *reply)
{
	char text[32];

	snprintf(text, sizeof text, "%d", (int)getpid());
	return reply_text(reply, text);
}

static enum module_result handle(
	void *session, const struct module_request *request, struct module_reply *reply)
{
	static const struct {
		const char *word;
		enum module_result (*run)(
			const char *rest, bool may_wait, struct module_reply *reply);
	} orders[] = {{"hang", hang}, {"crash", crash}, {"sleep", sleep_a_while}, {"try", try},
		{"keep", keep}, {"kept", kept}, {"read", read_blocks}, {"process", process}};
	char words[WORDS_BYTES] = "", *rest;

	memcpy(words, request->data,
		request->bytes < sizeof words ? request->bytes : sizeof words - 1);
	rest = words + strcspn(words, " ");
	if (*rest)
		*rest++ = '\0';
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
		if (strcmp(orders[i].word, words) == 0)
			return orders[i].run(rest, request->may_wait, reply);
	return MODULE_HANG_UP;
}

/* What no terminal should be sent. */
static size_t status(void *instance, char *text, size_t size)
{
	return (size_t)snprintf(text, size, "mood: \033[31mbad\xff\n");
}

const struct sluice_module sluice_module = {SLUICE_MODULE_ABI, "troublesome", open_trouble,
	close_trouble, connect_client, disconnect_client, handle, status, NULL};
