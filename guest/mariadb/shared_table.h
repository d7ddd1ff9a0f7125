/*
 * What all handlers of a table share: its handle at the module, and what is known of its size and its indexes.
 *
 * Theory of operation. A handle is worth something only for the start of the module that gave it, so it is looked up again by name when
 * a session's client is of another one, or when the module said that it is stale.
 */
#ifndef SLUICE_GUEST_MARIADB_SHARED_TABLE_H
#define SLUICE_GUEST_MARIADB_SHARED_TABLE_H

#include "server.h"

#include <atomic>
#include <mutex>

#include "session.h"
#include "table_statistics.h"

struct shared_table : public Handler_share {
	explicit shared_table(const char *path);

	const std::string name;
	std::atomic<uint64_t> counter_floor{0}; /* the module's counter is at least this */
	std::atomic<int64_t> rows_changed{
		0}; /* inserted less deleted, since the numbers were asked for */

	/* The handle, for the session's client. Returns an error of the server's. */
	int open(struct session *session, struct store_handle *handle);

	/* It is to be looked up again. */
	void forget_handle();

	/* Numbers that are at most a second old. Returns an error of the server's. */
	int numbers(struct session *session, struct store_table_numbers *numbers);

	/* What the last ANALYZE TABLE has found, by whichever server. */
	table_statistics statistics();

	/* Keep them, at the module, too. Returns an error of the server's. */
	int set_statistics(struct session *session, const table_statistics &found);

private:
	std::mutex mutex;
	struct store_handle handle = {};
	uint64_t instance = 0; /* of the module that the handle is of; 0: none */
	struct store_table_numbers known = {};
	uint64_t known_until_us = 0;
	table_statistics found_statistics;
};

/* What the module calls a table that the server has at this path. */
std::string table_name(const char *path);

inline struct store_bytes store_bytes_of(const std::string &text)
{
	return {text.data(), text.size()};
}

#endif
