#include "offload/host/module_voice.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"

#define PIECE_BYTES 4096u
#define PIECES_MAX 16u /* of what a pipe holds */
#define PAUSE_NS (100 * NS_PER_MS)
#define LINES_PER_MINUTE 300u

int module_voice_open(struct module_voice *voice)
{
	int ends[2];

	module_voice_close(voice);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	voice->fd = ends[0];
	voice->length = 0;
	voice->quiet_until_ns = 0;
	voice->log.lines_per_minute = LINES_PER_MINUTE;
	return ends[1];
}

static void say(struct module_voice *voice)
{
	const char *text;
	enum log_level level;

	voice->line[voice->length] = '\0';
	level = log_level_of(voice->line, &text);
	if (*text)
		log_from(&voice->log, level, "%s", text);
	voice->length = 0;
}

static void add(struct module_voice *voice, char byte)
{
	if (byte == '\n' || voice->length == sizeof voice->line - 1)
		say(voice);
	if (byte != '\n')
		voice->line[voice->length++] = byte < ' ' || byte > '~' ? '?' : byte;
}

static ssize_t take_piece(struct module_voice *voice)
{
	char piece[PIECE_BYTES];
	const ssize_t count = read(voice->fd, piece, sizeof piece);

	for (ssize_t i = 0; i < count; i++)
		add(voice, piece[i]);
	return count;
}

void module_voice_relay(struct module_voice *voice, uint64_t now_ns)
{
	const ssize_t count = take_piece(voice);

	/* One that has closed its end is there to be read for ever. */
	if (count == 0 || count == PIECE_BYTES)
		voice->quiet_until_ns = now_ns + PAUSE_NS;
}

int module_voice_poll_fd(const struct module_voice *voice, uint64_t now_ns)
{
	return now_ns >= voice->quiet_until_ns ? voice->fd : -1;
}

uint64_t module_voice_wake_ns(const struct module_voice *voice, uint64_t now_ns)
{
	return voice->fd >= 0 && now_ns < voice->quiet_until_ns ? voice->quiet_until_ns
								: UINT64_MAX;
}

void module_voice_close(struct module_voice *voice)
{
	if (voice->fd < 0)
		return;
	for (unsigned i = 0; i < PIECES_MAX && take_piece(voice) > 0; i++)
		;
	if (voice->length)
		say(voice);
	close(voice->fd);
	voice->fd = -1;
}
