/*
 * CHECK TABLE: whether rows and indexes agree.
 *
 * Theory of operation. Each row must have the key that its columns make. Of each index, every entry must be the one that the row it
 * leads to has, and there must be as many as there are rows: then each row has its own. All of it is read from one snapshot.
 */
#include "ha_sluice.h"

#include "hidden_keys.h"

static const char *data_of(struct store_bytes bytes)
{
	return static_cast<const char *>(bytes.data);
}

static bool is_same(struct store_bytes one, const std::string &other)
{
	return one.bytes == other.size() && memcmp(one.data, other.data(), one.bytes) == 0;
}

bool ha_sluice::is_row_good(const struct store_cursor_row &found)
{
	if (decode_data(data_of(found.value), found.value.bytes, table->record[0]))
		return false;
	if (!has_primary_key())
		return found.key.bytes == HIDDEN_KEY_BYTES;
	encode_primary(table->record[0], &other_primary, false);
	return is_same(found.key, other_primary);
}

bool ha_sluice::is_entry_good(uint index, const struct store_cursor_row &found)
{
	uint32_t bytes;

	if (found.value.bytes < sizeof bytes)
		return false;
	memcpy(&bytes, found.value.data, sizeof bytes);
	if (found.value.bytes - sizeof bytes != bytes)
		return false;
	other_primary.assign(data_of(found.value) + sizeof bytes, bytes);
	if (decode_data(data_of(found.row), found.row.bytes, table->record[0]))
		return false;
	if (table->vfield && table->update_virtual_fields(this, VCOL_UPDATE_FOR_READ))
		return false;
	encode_entry(index, table->record[0], other_primary, &other_entry);
	return is_same(found.key, other_entry);
}

/* How many entries an index has, those that lead nowhere included. Returns an error of the server's. */
int ha_sluice::count_entries(uint index, uint64_t *count)
{
	struct store_range range = {};
	struct store_cursor_row found;
	int status;

	range.handle = handle;
	range.space = space_of(index);
	range.flags = STORE_KEYS_ONLY;
	*count = 0;
	status = store_cursor_begin(&cursor, &range);
	while (!status && !(status = store_cursor_next(&cursor, session->client, &found)))
		++*count;
	return status == STORE_NOT_FOUND ? 0 : failed(status);
}

/*
 * Count what is good in an index, or of rows (MAX_KEY), up to what is not. Entries that lead nowhere are not sent.
 *
 * Returns an error of the server's.
 */
int ha_sluice::count_good(uint index, uint64_t *count, bool *are_all)
{
	struct store_range range = {};
	struct store_cursor_row found;
	int status;

	range.handle = handle;
	range.space = index == MAX_KEY ? 0 : space_of(index);
	range.flags = STORE_WITH_ROWS;
	*count = 0;
	*are_all = true;
	status = store_cursor_begin(&cursor, &range);
	while (!status && *are_all &&
		!(status = store_cursor_next(&cursor, session->client, &found))) {
		*are_all = index == MAX_KEY ? is_row_good(found) : is_entry_good(index, found);
		++*count;
	}
	return status == STORE_NOT_FOUND ? 0 : failed(status);
}

static int corrupt(THD *thd, const char *what, const char *name)
{
	push_warning_printf(
		thd, Sql_condition::WARN_LEVEL_WARN, ER_NOT_KEYFILE, "SLUICE: %s%s", what, name);
	return HA_ADMIN_CORRUPT;
}

int ha_sluice::check_all(THD *thd)
{
	uint64_t row_count, entry_count, good_count;
	bool are_good;

	if (count_good(MAX_KEY, &row_count, &are_good))
		return HA_ADMIN_FAILED;
	if (!are_good)
		return corrupt(thd, "a row is not what its key says", "");
	for (uint index = 0; index < table_share->keys; index++) {
		if (index == table_share->primary_key)
			continue;
		if (count_entries(index, &entry_count) || count_good(index, &good_count, &are_good))
			return HA_ADMIN_FAILED;
		if (!are_good || entry_count != row_count || good_count != row_count)
			return corrupt(thd, "the rows are not what is in index ",
				table->key_info[index].name.str);
	}
	return HA_ADMIN_OK;
}

int ha_sluice::check(THD *thd, HA_CHECK_OPT *)
{
	MY_BITMAP *columns_read;
	int result;

	if (session_ask(session))
		return HA_ADMIN_FAILED;
	columns_read = tmp_use_all_columns(
		table, &table->read_set); /* virtual ones are computed only if they are read */
	result = check_all(thd);
	tmp_restore_column_map(&table->read_set, columns_read);
	return result;
}
