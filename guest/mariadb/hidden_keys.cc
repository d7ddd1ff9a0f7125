#include "hidden_keys.h"

#include <mutex>

static const uint64_t block_numbers = 1024;
static const struct store_bytes table_name = {"#hidden-keys", 12};

static std::mutex mutex;
static uint64_t next_number, end_number;
static uint64_t instance; /* of the module that they are from */

/* The first to ask makes the table; of two at once, one finds it made. */
static int open_sequence(struct store_client *client, struct store_handle *handle)
{
	int status = store_client_table_open(client, table_name, handle, nullptr);

	if (status != STORE_NOT_FOUND)
		return status;
	status = store_client_table_create(client, table_name, {nullptr, 0}, 1, 1, handle);
	return status == STORE_EXISTS ? store_client_table_open(client, table_name, handle, nullptr)
				      : status;
}

static int take_block(struct store_client *client)
{
	struct store_handle handle;
	int status = open_sequence(client, &handle);

	if (status == 0)
		status =
			store_client_counter(client, &handle, 1, 1, 0, block_numbers, &next_number);
	if (status == 0) {
		end_number = next_number + block_numbers;
		instance = store_client_instance(client);
	}
	return status;
}

int hidden_key_append(struct session *session, std::string *to)
{
	std::lock_guard<std::mutex> guard(mutex);
	uchar key[HIDDEN_KEY_BYTES];
	int status = 0;

	if (next_number == end_number || instance != store_client_instance(session->client))
		status = take_block(session->client);
	if (status)
		return session_error(session, status);
	mi_int8store(key, next_number);
	next_number++;
	to->append(reinterpret_cast<const char *>(key), sizeof key);
	return 0;
}
