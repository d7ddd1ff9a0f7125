/*
 * Writes to a table (a INT PRIMARY KEY, b INT, KEY (b)) behind the server's back: spoil CHANNEL TABLE HOW.
 */
#include <stdio.h>
#include <string.h>

#include "store/store_client.h"

#define COLUMN_END 4 /* of b in a key of its index, behind a byte that says that it is not NULL */

struct pair {
	char key[256], value[256];
	size_t key_bytes, value_bytes;
};

static struct store_client *client;
static struct store_handle table;

static int read_first(uint32_t space, struct pair *pair)
{
	struct store_cursor cursor = {0};
	struct store_cursor_row row;
	const struct store_range range = {.handle = table, .space = space};
	int status = store_cursor_begin(&cursor, &range);

	if (!status)
		status = store_cursor_next(&cursor, client, &row);
	if (!status && (!row.value.bytes || row.value.bytes > sizeof pair->value ||
			       row.key.bytes > sizeof pair->key))
		status = STORE_TOO_BIG;
	if (!status) {
		memcpy(pair->key, row.key.data, pair->key_bytes = row.key.bytes);
		memcpy(pair->value, row.value.data, pair->value_bytes = row.value.bytes);
	}
	store_cursor_end(&cursor);
	return status;
}

/* Delete the first pair of a space, and put it back with its column or its value changed. */
static int change(uint32_t space, size_t key_change, size_t value_change, bool is_put_back)
{
	struct store_batch batch = {0};
	struct pair pair = {.key_bytes = 0, .value_bytes = 0};
	int status = read_first(space, &pair);

	if (!status)
		status = store_batch_begin(&batch, client, &table);
	if (!status)
		status = store_batch_delete(
			&batch, space, (struct store_bytes){pair.key, pair.key_bytes});
	if (!status && is_put_back) {
		pair.key[COLUMN_END] = (char)(pair.key[COLUMN_END] + (int)key_change);
		pair.value[pair.value_bytes - 1] =
			(char)(pair.value[pair.value_bytes - 1] + (int)value_change);
		status = store_batch_put(&batch, space,
			(struct store_bytes){pair.key, pair.key_bytes},
			(struct store_bytes){pair.value, pair.value_bytes});
	}
	if (!status)
		status = store_client_write(client, &batch, 0, NULL);
	store_batch_end(&batch);
	return status ? status : store_client_commit(client, false);
}

static const struct {
	const char *name;
	uint32_t space;
	size_t key_change, value_change;
	bool is_put_back;
} ways[] = {
	{"delete-entry", 1, 0, 0, false},
	{"move-entry", 1, 1, 0, true},
	{"delete-row", 0, 0, 0, false},
	{"change-row", 0, 0, 1, true},
};

static int spoil(const char *how)
{
	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(ways[i].name, how) == 0)
			return change(ways[i].space, ways[i].key_change, ways[i].value_change,
				ways[i].is_put_back);
	return STORE_UNSUPPORTED;
}

int main(int count, char **arguments)
{
	struct channel *channel;
	char message[256] = "";
	int status;

	if (count != 4)
		return 2;
	status = channel_open(arguments[1], &channel, message, sizeof message);
	if (!status)
		status = store_client_open(channel, &client);
	if (!status)
		status = store_client_table_open(client,
			(struct store_bytes){arguments[2], strlen(arguments[2])}, &table, NULL);
	if (!status)
		status = spoil(arguments[3]);
	if (status)
		fprintf(stderr, "spoil: %d %s\n", status, message);
	store_client_close(client);
	return status ? 1 : 0;
}
