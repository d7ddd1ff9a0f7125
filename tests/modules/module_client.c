/*
 * A module's client that is told what to send: module_client WHERE. Each line that it reads is a request; it answers with a line, "= REPLY"
 * or "! ERROR". After an error it connects anew for the next one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "channel/channel_client.h"

struct client {
	const char *where;
	struct channel *channel;
	struct channel_connection *connection;
};

static void close_client(struct client *client)
{
	channel_disconnect(client->connection);
	if (client->channel)
		channel_close(client->channel);
	client->connection = NULL;
	client->channel = NULL;
}

static int open_client(struct client *client)
{
	char message[256];
	int result = channel_open(client->where, &client->channel, message, sizeof message);

	if (result < 0) {
		client->channel = NULL;
		return result;
	}
	return channel_connect(client->channel, &client->connection);
}

static void answer(struct client *client, char *line)
{
	struct iovec part = {line, strcspn(line, "\n")};
	const void *reply;
	size_t reply_bytes;
	int result = client->connection ? 0 : open_client(client);

	if (result == 0)
		result = channel_call(client->connection, &part, 1, &reply, &reply_bytes);
	if (result == 0) {
		printf("= %.*s\n", (int)reply_bytes, (const char *)reply);
		return;
	}
	printf("! %s\n", strerrorname_np(-result));
	close_client(client);
}

int main(int argc, char **argv)
{
	struct client client = {.where = argv[1]};
	char line[4096];

	if (argc != 2)
		return 2;
	while (fgets(line, sizeof line, stdin)) {
		answer(&client, line);
		fflush(stdout);
	}
	close_client(&client);
	return 0;
}
