#include "echo_host.h"

#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "channel/channel_private.h"

struct echo_session {
	struct echo_host *host;
	struct channel_connection_server *connection;
	struct timer timer;
	const void *data;
	size_t bytes;
	void *large;
};

/* ---- the module; on the sidecore ---- */

static void reply_later(struct timer *timer, uint64_t now_ns)
{
	struct echo_session *session = container_of(timer, struct echo_session, timer);

	channel_server_reply(session->connection, session->data, session->bytes);
}

static void echo(struct echo_session *session)
{
	channel_server_reply(session->connection, session->data, session->bytes);
}

static void echo_later(struct echo_session *session)
{
	sidecore_set_timer(
		session->host->sidecore, &session->timer, clock_now_ns() + 2 * NS_PER_MS);
}

static void echo_large(struct echo_session *session)
{
	uint32_t bytes;

	memcpy(&bytes, (const uint8_t *)session->data + 1, sizeof bytes);
	session->large = malloc(bytes);
	memset(session->large, 'x', bytes);
	channel_server_reply(session->connection, session->large, bytes);
}

static void never(struct echo_session *session)
{
}

static void hang_up(struct echo_session *session)
{
	channel_server_hang_up(session->connection, "it asked for that");
}

static bool connected(struct channel_connection_server *connection, void *context)
{
	struct echo_host *host = context;
	struct echo_session *session;

	if (__atomic_load_n(&host->refuses, __ATOMIC_RELAXED))
		return false;
	session = calloc(1, sizeof *session);
	session->host = host;
	session->connection = connection;
	session->timer.expire = reply_later;
	channel_connection_set_owner(connection, session);
	counter_add(&host->connected, 1);
	return true;
}

static void request(struct channel_connection_server *connection, const void *data, size_t bytes)
{
	static void (*const orders[256])(struct echo_session * session) = {
		[ECHO_LATER] = echo_later,
		[ECHO_LARGE] = echo_large,
		[ECHO_NEVER] = never,
		[ECHO_HANG_UP] = hang_up,
	};
	struct echo_session *session = channel_connection_owner(connection);
	const uint8_t order = bytes ? *(const uint8_t *)data : ECHO;

	session->data = data;
	session->bytes = bytes;
	(orders[order] ? orders[order] : echo)(session);
}

static void replied(struct channel_connection_server *connection)
{
	struct echo_session *session = channel_connection_owner(connection);

	free(session->large);
	session->large = NULL;
}

static void disconnected(struct channel_connection_server *connection)
{
	struct echo_session *session = channel_connection_owner(connection);
	struct echo_host *host = session->host;

	sidecore_cancel_timer(host->sidecore, &session->timer);
	free(session->large);
	free(session);
	counter_add(&host->disconnected, 1);
	channel_server_release(connection);
}

static const struct channel_server_handlers handlers = {
	.connected = connected,
	.request = request,
	.replied = replied,
	.disconnected = disconnected,
};

/* ---- the device, as sysfs shows it ---- */

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make_device(struct echo_host *host)
{
	char directory[PATH_MAX + 32];

	snprintf(directory, sizeof directory, "%s/%s", host->directory, ECHO_PCI_ADDRESS);
	assert_int_equal(mkdir(directory, 0700), 0);
	write_file(directory, "vendor", "0x1af4\n");
	write_file(directory, "device", "0x1110\n");
	write_file(directory, "enable", "0\n");
	snprintf(host->region_path, sizeof host->region_path, "%s/resource2", directory);
}

/* ---- its life ---- */

void echo_host_init(struct echo_host *host, bool is_pci)
{
	memset(host, 0, sizeof *host);
	snprintf(host->directory, sizeof host->directory, "/dev/shm/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(host->directory));
	snprintf(host->socket_path, sizeof host->socket_path, "%s/socket", host->directory);
	snprintf(host->machine_path, sizeof host->machine_path, "%s/machine", host->directory);
	snprintf(host->where, sizeof host->where, "unix:%s", host->socket_path);
	host->is_pci = is_pci;
	host->cpu = SIDECORE_NOT_PINNED;
	if (is_pci)
		make_device(host);
	host->config = channel_server_config_default();
	host->config.name = "echo";
	host->config.message_bytes_max = 8u << 20;
	host->config.handlers = &handlers;
	host->config.context = host;
}

void echo_host_start(struct echo_host *host)
{
	const struct sidecore_config sidecore_config = {
		.name = "test", .cpu = host->cpu, .poll_ns_max = 20000};
	struct error error;
	bool is_new;

	assert_int_equal(sidecore_start(&sidecore_config, &host->sidecore, &error), 0);
	host->config.sidecore = host->sidecore;
	if (host->is_pci) {
		host->config.region_fd =
			channel_region_open(host->region_path, &host->config, &is_new, &error);
		host->config.machine_listen_fd =
			channel_server_listen_for_machine(host->machine_path, &error);
	} else
		host->config.listen_fd = channel_server_listen(host->socket_path, &error);
	assert_int_equal(channel_server_create(&host->config, &host->server, &error), 0);
	assert_int_equal(channel_server_start(host->server, &error), 0);
}

void echo_host_stop(struct echo_host *host)
{
	channel_server_destroy(host->server);
	host->server = NULL;
	sidecore_stop(host->sidecore);
	close(host->is_pci ? host->config.region_fd : host->config.listen_fd);
	if (host->is_pci)
		close(host->config.machine_listen_fd);
}

struct channel *echo_host_open_channel(const struct echo_host *host)
{
	struct channel *channel;
	char message[256] = "";
	const struct channel_message where = {message, sizeof message};
	const int result = host->is_pci
				   ? channel_pci_open(&channel, host->directory, NULL, &where)
				   : channel_open(host->where, &channel, message, sizeof message);

	if (result < 0)
		fail_msg("%d: %s", result, message);
	return channel;
}

void echo_host_end(struct echo_host *host)
{
	char command[PATH_MAX + 16];

	if (host->server)
		echo_host_stop(host);
	snprintf(command, sizeof command, "rm -r %s", host->directory);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the test's own words */
}

void echo_host_await(struct echo_host *host, unsigned connections)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (channel_server_connection_count(host->server) == connections)
			return;
		usleep(1000);
	}
	fail_msg("there are %u connections, not %u", channel_server_connection_count(host->server),
		connections);
}
