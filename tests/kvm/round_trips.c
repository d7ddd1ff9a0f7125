/*
 * One message there, and one back, for ever: what a guest's network is measured with.
 *
 *   round_trips serve PORT                      sends back what comes by TCP, one connection at a time
 *   round_trips tcp|udp HOST PORT sleep|poll    a client, which ends with the connection
 *
 * A client that polls has Linux keep the NIC's interrupts off between its calls, too (SO_PREFER_BUSY_POLL), where the sysctl
 * net.core.busy_read lets them come in between. That takes the NIC's napi_defer_hard_irqs and gro_flush_timeout, and CAP_NET_ADMIN.
 * Datagrams have the same port at both ends, so that a link that only swaps addresses can answer them.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_BYTES 64
#define POLL_US 100000
#define POLL_PACKETS 8

struct option {
	int level, name, value;
};

static const struct option at_once = {IPPROTO_TCP, TCP_NODELAY, 1};
static const struct option may_take_port = {SOL_SOCKET, SO_REUSEADDR, 1};
static const struct option polling[] = {
	{SOL_SOCKET, SO_BUSY_POLL, POLL_US},
	{SOL_SOCKET, SO_PREFER_BUSY_POLL, true},
	{SOL_SOCKET, SO_BUSY_POLL_BUDGET, POLL_PACKETS},
};

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int set(int socket, const struct option *option)
{
	return setsockopt(
		socket, option->level, option->name, &option->value, sizeof(option->value));
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (host)
		inet_pton(AF_INET, host, &address.sin_addr);
	return address;
}

static void send_back(int connection)
{
	char message[MESSAGE_BYTES];
	ssize_t size;

	set(connection, &at_once);
	while ((size = read(connection, message, sizeof(message))) > 0 &&
		write(connection, message, (size_t)size) == size)
		;
	close(connection);
}

static int serve(const char *port)
{
	struct sockaddr_in address = address_of(NULL, port);
	int connection, listener = socket(AF_INET, SOCK_STREAM, 0);

	set(listener, &may_take_port);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 1) < 0)
		return fail("listen");
	while ((connection = accept(listener, NULL, NULL)) >= 0)
		send_back(connection);
	return fail("accept");
}

static int connect_to(bool is_tcp, const char *host, const char *port)
{
	struct sockaddr_in there = address_of(host, port), here = address_of(NULL, port);
	int client = socket(AF_INET, is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);

	if (is_tcp)
		set(client, &at_once);
	else if (bind(client, (struct sockaddr *)&here, sizeof(here)) < 0)
		return -1;
	return connect(client, (struct sockaddr *)&there, sizeof(there)) < 0 ? -1 : client;
}

static int poll_for_packets(int client)
{
	for (size_t i = 0; i < sizeof(polling) / sizeof(polling[0]); i++) {
		if (set(client, &polling[i]) < 0)
			return -1;
	}
	return 0;
}

/* A stream may bring a message in parts; a datagram is there or not. */
static int exchange(int client)
{
	char message[MESSAGE_BYTES] = {0};

	if (send(client, message, sizeof(message), 0) != sizeof(message))
		return -1;
	return recv(client, message, sizeof(message), MSG_WAITALL) == sizeof(message) ? 0 : -1;
}

int main(int argc, char **argv)
{
	int client;

	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc != 5) {
		fputs("round_trips serve PORT | tcp|udp HOST PORT sleep|poll\n", stderr);
		return 2;
	}
	client = connect_to(strcmp(argv[1], "tcp") == 0, argv[2], argv[3]);
	if (client < 0)
		return fail("connect");
	if (strcmp(argv[4], "poll") == 0 && poll_for_packets(client) < 0)
		return fail("poll");
	while (exchange(client) == 0)
		;
	return fail("exchange");
}
