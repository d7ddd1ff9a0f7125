#include "shared_table.h"

static const uint64_t numbers_keep_us = 1000000;

std::string table_name(const char *path)
{
	return strncmp(path, "./", 2) == 0 ? path + 2 : path;
}

shared_table::shared_table(const char *path) : name(table_name(path))
{
}

int shared_table::open(struct session *session, struct store_handle *to)
{
	int error = session_connect(session);
	std::lock_guard<std::mutex> guard(mutex);

	if (error)
		return error;
	if (instance != store_client_instance(session->client)) {
		struct store_bytes metadata = {nullptr, 0};
		int status = store_client_table_open(
			session->client, store_bytes_of(name), &handle, &metadata);

		if (status == STORE_NOT_FOUND)
			return HA_ERR_NO_SUCH_TABLE;
		if (status)
			return session_error(session, status);
		instance = store_client_instance(session->client);
		known_until_us = 0;
		found_statistics.decode(metadata.data, metadata.bytes);
	}
	*to = handle;
	return 0;
}

void shared_table::forget_handle()
{
	std::lock_guard<std::mutex> guard(mutex);

	instance = 0;
	counter_floor = 0;
}

int shared_table::numbers(struct session *session, struct store_table_numbers *numbers)
{
	struct store_handle of;
	uint64_t now_us = microsecond_interval_timer();
	int error = open(session, &of);
	std::lock_guard<std::mutex> guard(mutex);

	if (!error && now_us >= known_until_us) {
		error = session_error(
			session, store_client_table_status(session->client, &of, &known));
		known_until_us = now_us + numbers_keep_us;
		rows_changed = 0;
	}
	*numbers = known;
	return error;
}

table_statistics shared_table::statistics()
{
	std::lock_guard<std::mutex> guard(mutex);

	return found_statistics;
}

int shared_table::set_statistics(struct session *session, const table_statistics &found)
{
	struct store_handle of;
	std::string text = found.encode();
	int error = open(session, &of);

	if (error)
		return error;
	error = session_error(session,
		store_client_table_set_metadata(session->client, &of, store_bytes_of(text)));
	if (error)
		return error;
	std::lock_guard<std::mutex> guard(mutex);
	found_statistics = found;
	known_until_us = 0;
	return 0;
}
