/*
 * Tables are created, dropped, renamed and emptied. At the module that is at once and for good; the server's own locks keep others out.
 *
 * Theory of operation. What a table is called and what its columns are, the server knows by a file (.frm), the module by its dictionary. After
 * a crash the server's log of such statements makes both agree again: it drops and renames before anybody connects. For that it
 * needs the module, so while the server starts, the engine waits for it for long. Later it waits as long as a module takes to be started again:
 * a copy that failed because the module had died has to be dropped. If the module dies in the middle, nobody knows whether it has done
 * what it was asked; so it is asked again, and what is found done then was done by us. Should the two differ after all (a
 * host was put back to an older state, say), a table that only the module knows stands in the way of a new one of its name: an empty one is
 * dropped, one with rows, prepared ones among them, gets another name.
 */
#include "ha_sluice.h"

#include <functional>

/* A module that has died again and again is started every ten seconds, and may have much to read then. */
static const unsigned tries_max = 600, tries_at_start_max = 6000, pause_us = 100000;
static const unsigned left_names_max = 1000;

/* What to ask the module for; `is_again`: an earlier one may have been done, and its answer lost. Returns what the client does. */
typedef std::function<int(struct store_client *client, bool is_again)> table_change;

static bool may_try(const struct session *session, unsigned tries)
{
	return tries < (mysqld_server_started ? tries_max : tries_at_start_max) &&
	       session->thd->killed == NOT_KILLED;
}

static int connect(struct session *session)
{
	int error = session_connect(session);

	for (unsigned tries = 0; error && may_try(session, tries); tries++) {
		my_sleep(pause_us);
		error = session_connect(session);
	}
	return error;
}

/* Ask until there is an answer. Returns an error of the server's. */
static int change_tables(struct session *session, const table_change &change)
{
	int status, error = connect(session);

	if (error)
		return error;
	status = change(session->client, false);
	/* With a transaction, that is lost, too, and not to be hidden. */
	for (unsigned tries = 0;
		session_is_lost_by(status) && !session->is_begun && may_try(session, tries);
		tries++) {
		session_disconnect(session);
		my_sleep(pause_us);
		if (session_connect(session) == 0)
			status = change(session->client, true);
	}
	if (!session->client)
		return HA_ERR_NO_CONNECTION;
	return status == STORE_NOT_FOUND ? HA_ERR_NO_SUCH_TABLE : session_error(session, status);
}

/* ---- Tables that only the module knows. ---- */

static int find(struct store_client *client, const std::string &name, struct store_handle *found)
{
	struct store_bytes metadata;

	return store_client_table_open(client, store_bytes_of(name), found, &metadata);
}

static int find_all(
	struct store_client *client, const std::string &prefix, std::vector<std::string> *names)
{
	struct store_list list;
	struct store_bytes name;
	int status = store_client_table_list(client, store_bytes_of(prefix), &list);

	while (status == 0 && store_list_next(&list, &name))
		names->emplace_back(static_cast<const char *>(name.data), name.bytes);
	return status;
}

/*
 * Whether nobody has rows in it. Those that a prepared transaction has written are seen by nobody yet, but are locked; so what is found to be
 * empty is locked, and stays so until the session's transaction ends.
 */
static int is_empty(struct store_client *client, const std::string &name, bool *answer)
{
	struct store_range range = {};
	struct store_cursor cursor = {};
	struct store_cursor_row row;
	int status = find(client, name, &range.handle);

	if (status)
		return status;
	range.flags = STORE_SHARED | STORE_RANGE | STORE_NO_WAIT | STORE_KEYS_ONLY;
	range.rows_first = range.rows_max = 1;
	status = store_cursor_begin(&cursor, &range);
	if (status == 0)
		status = store_cursor_next(&cursor, client, &row);
	store_cursor_end(&cursor);
	*answer = status == STORE_NOT_FOUND;
	return status == STORE_NOT_FOUND || status == STORE_LOCK_TIMEOUT ? 0 : status;
}

static int move_aside(struct store_client *client, const std::string &name)
{
	std::string other;
	int status = STORE_EXISTS;

	for (unsigned number = 1; status == STORE_EXISTS && number < left_names_max; number++) {
		other = name + "_left_" + std::to_string(number);
		status = store_client_table_rename(
			client, store_bytes_of(name), store_bytes_of(other));
	}
	if (status == 0)
		sql_print_warning("Sluice: the storage module had a table '%s' with rows that this "
				  "server does not "
				  "know; a new one takes its name, and it is called '%s' now",
			name.c_str(), other.c_str());
	return status;
}

static int drop_or_move_aside(struct store_client *client, const std::string &name)
{
	bool is_without_rows;
	int status = is_empty(client, name, &is_without_rows);

	if (status == 0 && is_without_rows)
		status = store_client_table_drop(client, store_bytes_of(name));
	else if (status == 0)
		status = move_aside(client, name);
	return status == STORE_NOT_FOUND ? 0 : status;
}

/* The server knows no table of this name. What is locked for that is given up, unless there is a transaction that others end. */
static int make_way(struct session *session, const std::string &name)
{
	int status = drop_or_move_aside(session->client, name);

	if (status == 0 && !session->is_begun)
		status = store_client_rollback(session->client);
	return status;
}

/* Do what gives a table that name, which no table of the server's has. */
static int take_name(
	struct session *session, const std::string &name, const std::function<int()> &take)
{
	int status = take();

	if (status == STORE_EXISTS && (status = make_way(session, name)) == 0)
		status = take();
	return status;
}

/* ---- The server's functions. ---- */

static uint32_t space_count(const TABLE_SHARE *table)
{
	return table->keys + (table->primary_key == MAX_KEY ? 1 : 0);
}

int ha_sluice::create(const char *path, TABLE *form, HA_CREATE_INFO *options)
{
	std::string name = table_name(path);
	struct session *creator = session_of(ha_thd());
	uint32_t spaces = space_count(form->s);

	if (!creator)
		return HA_ERR_OUT_OF_MEM;
	return change_tables(creator, [&](struct store_client *client, bool) {
		struct store_handle made;
		int status = take_name(creator, name, [&] {
			return store_client_table_create(
				client, store_bytes_of(name), {nullptr, 0}, spaces, 1, &made);
		});

		/* Not as the first number, to which TRUNCATE goes back. */
		if (!status && options->auto_increment_value > 1)
			status = store_client_counter(
				client, &made, options->auto_increment_value, 1, 0, 0, nullptr);
		return status;
	});
}

int ha_sluice::delete_table(const char *path)
{
	std::string name = table_name(path);
	struct session *dropper = session_of(ha_thd());

	if (!dropper)
		return HA_ERR_OUT_OF_MEM;
	return change_tables(dropper, [&](struct store_client *client, bool is_again) {
		int status = store_client_table_drop(client, store_bytes_of(name));

		return is_again && status == STORE_NOT_FOUND ? 0 : status;
	});
}

int ha_sluice::rename_table(const char *from, const char *to)
{
	std::string name = table_name(from), new_name = table_name(to);
	struct session *renamer = session_of(ha_thd());

	if (!renamer)
		return HA_ERR_OUT_OF_MEM;
	return change_tables(renamer, [&](struct store_client *client, bool is_again) {
		struct store_handle renamed;
		int status = take_name(renamer, new_name, [&] {
			return store_client_table_rename(
				client, store_bytes_of(name), store_bytes_of(new_name));
		});

		return is_again && status == STORE_NOT_FOUND ? find(client, new_name, &renamed)
							     : status;
	});
}

int ha_sluice::truncate()
{
	int error = change_tables(session, [&](struct store_client *client, bool is_again) {
		int status = is_again ? find(client, share->name, &handle) : 0;

		return status ? status : store_client_table_truncate(client, &handle);
	});

	share->forget_handle();
	return error ? error : share->open(session, &handle);
}

/*
 * The server has dropped the tables that it knows of. There are others if its data directory was lost or restored, and who makes the
 * database again would find them in the way.
 */
void drop_database(handlerton *, char *path)
{
	std::string prefix = table_name(path);
	struct session *dropper = session_of(current_thd);
	int error;

	if (!dropper || prefix.empty() || prefix.back() != '/')
		return;
	error = change_tables(dropper, [&](struct store_client *client, bool) {
		std::vector<std::string> names;
		int status = find_all(client, prefix, &names);

		for (size_t i = 0; i < names.size() && !status; i++) {
			status = store_client_table_drop(client, store_bytes_of(names[i]));
			if (status == STORE_NOT_FOUND)
				status = 0;
		}
		return status;
	});
	if (error)
		sql_print_warning("Sluice: the storage module may still have tables of '%s', which "
				  "this server does not know (error %d)",
			prefix.c_str(), error);
}

void ha_sluice::update_create_info(HA_CREATE_INFO *options)
{
	if (options->used_fields & HA_CREATE_USED_AUTO)
		return;
	info(HA_STATUS_AUTO);
	options->auto_increment_value = stats.auto_increment_value;
}

/* What only the server's description of a table says may change without a copy. */
bool ha_sluice::check_if_incompatible_data(HA_CREATE_INFO *options, uint changes)
{
	if (changes != IS_EQUAL_YES || (options->used_fields & HA_CREATE_USED_AUTO))
		return COMPATIBLE_DATA_NO;
	return COMPATIBLE_DATA_YES;
}
