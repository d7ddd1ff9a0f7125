/*
 * Tables are created, dropped, renamed and emptied. At the module that is at once and for good; the server's own locks keep others out.
 */
#include "ha_sluice.h"

static uint32_t space_count(const TABLE_SHARE *table)
{
	return table->keys + (table->primary_key == MAX_KEY ? 1 : 0);
}

int ha_sluice::create(const char *path, TABLE *form, HA_CREATE_INFO *options)
{
	std::string name = table_name(path);
	struct store_handle made;
	struct session *creator = session_of(ha_thd());
	int status, error;

	if (!creator)
		return HA_ERR_OUT_OF_MEM;
	if ((error = session_connect(creator)))
		return error;
	status = store_client_table_create(creator->client, store_bytes_of(name), {nullptr, 0},
		space_count(form->s), 1, &made);
	/* Not as the first number, to which TRUNCATE goes back. */
	if (!status && options->auto_increment_value > 1)
		status = store_client_counter(
			creator->client, &made, options->auto_increment_value, 1, 0, 0, nullptr);
	return session_error(creator, status);
}

int ha_sluice::delete_table(const char *path)
{
	std::string name = table_name(path);
	struct session *dropper = session_of(ha_thd());
	int status, error;

	if (!dropper)
		return HA_ERR_OUT_OF_MEM;
	if ((error = session_connect(dropper)))
		return error;
	status = store_client_table_drop(dropper->client, store_bytes_of(name));
	return status == STORE_NOT_FOUND ? HA_ERR_NO_SUCH_TABLE : session_error(dropper, status);
}

/*
 * The server has dropped the tables that it knows of. There are others if its data directory was lost or restored, and who makes the
 * database again would find them in the way.
 */
void ha_sluice::drop_database(handlerton *, char *path)
{
	std::string prefix = table_name(path);
	struct session *dropper = session_of(current_thd);
	std::vector<std::string> names;
	struct store_list list = {};
	struct store_bytes name;
	int error;

	if (prefix.empty() || prefix.back() != '/' || !dropper || session_connect(dropper))
		return;
	error = session_error(
		dropper, store_client_table_list(dropper->client, store_bytes_of(prefix), &list));
	while (!error && store_list_next(&list, &name))
		names.emplace_back(static_cast<const char *>(name.data), name.bytes);
	for (size_t i = 0; i < names.size() && !error; i++)
		error = session_error(dropper,
			store_client_table_drop(dropper->client, store_bytes_of(names[i])));
}

int ha_sluice::rename_table(const char *from, const char *to)
{
	std::string name = table_name(from), new_name = table_name(to);
	struct session *renamer = session_of(ha_thd());
	int status, error;

	if (!renamer)
		return HA_ERR_OUT_OF_MEM;
	if ((error = session_connect(renamer)))
		return error;
	status = store_client_table_rename(
		renamer->client, store_bytes_of(name), store_bytes_of(new_name));
	return status == STORE_NOT_FOUND ? HA_ERR_NO_SUCH_TABLE : session_error(renamer, status);
}

int ha_sluice::truncate()
{
	int error = session_connect(session);

	if (error)
		return error;
	error = session_error(session, store_client_table_truncate(session->client, &handle));
	share->forget_handle();
	return error ? error : share->open(session, &handle);
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
