/*
 * A module's process that says anything over its link, with any descriptors, and writes anything to its standard error.
 *
 * Whatever it is: no more answers are taken than were asked for, texts end and can be printed, the pipe's lines have a bound, and no
 * descriptor is left but a machine's.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"
#include "offload/host/module_reports.h"
#include "offload/host/module_voice.h"
#include "script.h"

#define STEPS_MAX 64u
#define DESCRIPTORS_MAX 5u

struct link {
	int ends[2];
	int kinds[3]; /* of descriptors: a socket, an eventfd, a file */
	unsigned pinged, answered;
	struct module_reports reports;
	struct module_voice voice;
	int mouth;
};

static void speak(struct script *script, struct link *link)
{
	struct module_report report = {.kind = next_choice(script, 5)};
	const size_t size = next_u8(script) % 4 ? sizeof report : next_u16(script) % sizeof report;
	const size_t count = next_choice(script, DESCRIPTORS_MAX + 1);
	int fds[DESCRIPTORS_MAX];

	memset(report.text, next_u8(script), next_u16(script) % (sizeof report.text + 1));
	for (size_t i = 0; i < count; i++)
		fds[i] = link->kinds[next_choice(script, 3)];
	packet_send(link->ends[1], &report, size, 0, fds, count);
}

static void check_text(const char *text)
{
	for (; *text; text++)
		if (*text != '\n' && (*text < ' ' || *text > '~'))
			abort();
}

static void listen_to(struct script *script, struct link *link)
{
	struct module_report report;

	if (module_reports_take(&link->reports, link->ends[0], &report) != MODULE_SAID_REPORT)
		return;
	check_text(report.text);
	link->answered += report.kind == MODULE_ALIVE;
	if (link->answered > link->pinged)
		abort();
}

static void ping(struct script *script, struct link *link)
{
	link->pinged += module_reports_ping(&link->reports, link->ends[0], 1);
}

static void write_line(struct script *script, struct link *link)
{
	char bytes[64];
	const size_t count = next_choice(script, sizeof bytes);

	for (size_t i = 0; i < count; i++)
		bytes[i] = (char)next_u8(script);
	if (write(link->mouth, bytes, count) >= 0)
		module_voice_relay(&link->voice, 0);
}

static void begin(struct script *script, struct link *link)
{
	module_reports_begin(&link->reports);
}

static void play(struct script *script, struct link *link)
{
	static void (*const steps[])(struct script * script, struct link * link) = {
		speak, listen_to, ping, write_line, begin};

	for (unsigned i = 0; i < STEPS_MAX && script->left; i++)
		steps[next_choice(script, sizeof steps / sizeof *steps)](script, link);
}

/* The lowest free descriptor: one that leaks moves it up. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void close_link(struct link *link)
{
	module_reports_drop_machine(&link->reports);
	module_voice_close(&link->voice);
	close(link->mouth);
	packet_close_descriptors(link->kinds, sizeof link->kinds / sizeof *link->kinds);
	packet_close_descriptors(link->ends, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};
	const int free_before = lowest_free_fd();
	struct link link = {
		.reports.machine = {-1, -1}, .voice = {.log.name = "module 'm'", .fd = -1}};

	log_set_level(LOG_LEVEL_ERROR);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, link.ends) < 0)
		abort();
	link.kinds[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	link.kinds[1] = eventfd(0, 0);
	link.kinds[2] = open("/dev/null", O_RDWR);
	link.mouth = module_voice_open(&link.voice);
	play(&script, &link);
	close_link(&link);
	if (lowest_free_fd() != free_before)
		abort();
	return 0;
}
