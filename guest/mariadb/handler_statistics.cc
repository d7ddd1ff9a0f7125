/*
 * How many rows there are, for the optimizer and for people.
 */
#include "ha_sluice.h"

static const uint32_t range_rows_max = 256; /* that are looked at, to count those of a range */
static const ulong equal_rows_guess = 10;  /* that have the same value in a column of an index */

static ulong rows_per_key(const KEY *key, uint parts, ha_rows rows)
{
	ulong guess = equal_rows_guess;

	if (parts == key->user_defined_key_parts && (key->flags & HA_NOSAME))
		return 1;
	for (uint i = parts; i + 1 < key->user_defined_key_parts; i++)
		guess *= equal_rows_guess;
	return static_cast<ulong>(std::max<ha_rows>(1, std::min<ha_rows>(guess, rows / 2)));
}

int ha_sluice::info(uint what)
{
	struct store_table_numbers numbers = {};
	int error = 0;

	if (!session || session->thd != ha_thd())
		session = session_of(ha_thd());
	if (what & HA_STATUS_ERRKEY)
		errkey = duplicate_key;
	if (what & (HA_STATUS_VARIABLE | HA_STATUS_CONST)) {
		int64_t rows_now;

		if ((error = share->numbers(session, &numbers)))
			return error;
		rows_now = static_cast<int64_t>(numbers.rows) + share->rows_changed;
		stats.records = rows_now > 0 ? static_cast<ha_rows>(rows_now) : 0;
		if (stats.records == 0 && !(what & HA_STATUS_TIME))
			stats.records = 1; /* of 0 the optimizer would be certain */
		stats.data_file_length = numbers.data_bytes;
		stats.index_file_length = numbers.index_bytes;
		stats.mean_rec_length = static_cast<ulong>(numbers.data_bytes / std::max<ha_rows>(1, stats.records));
		stats.block_size = 4096;
	}
	if (what & HA_STATUS_CONST)
		for (uint index = 0; index < table_share->keys; index++)
			for (uint part = 0; part < table->key_info[index].user_defined_key_parts; part++)
				table->key_info[index].rec_per_key[part] =
					rows_per_key(&table->key_info[index], part + 1, stats.records);
	if ((what & HA_STATUS_AUTO) && table->found_next_number_field) {
		error = session_connect(session);
		if (!error)
			error = failed(store_client_table_status(session->client, &handle, &numbers));
		stats.auto_increment_value = numbers.counter;
	}
	return error;
}

ha_rows ha_sluice::records_in_range(uint index, const key_range *least, const key_range *most, page_range *)
{
	bounds range = bounds_of(index, least, most);
	uint64_t count = 0;
	bool is_exact;

	if (range.is_empty)
		return 1;
	if (session_ask(session, share) ||
		failed(store_client_count(session->client, &handle, space_of(index), store_bytes_of(range.lower),
			store_bytes_of(range.upper), range_rows_max, read_flags() & (STORE_FRESH | STORE_DIRTY), &count, &is_exact)))
		return HA_POS_ERROR;
	return std::max<uint64_t>(1, count);
}

int ha_sluice::analyze(THD *, HA_CHECK_OPT *)
{
	return info(HA_STATUS_VARIABLE | HA_STATUS_CONST) ? HA_ADMIN_FAILED : HA_ADMIN_OK;
}

/* How many keys a space has, or how many of them lead to a row. Returns an error of the server's. */
int ha_sluice::count_keys(uint32_t space, unsigned flags, uint64_t *count)
{
	struct store_range range = {};
	struct store_cursor_row found;
	int status;

	*count = 0;
	range.handle = handle;
	range.space = space;
	range.flags = flags | STORE_KEYS_ONLY;
	status = store_cursor_begin(&cursor, &range);
	while (!status && !(status = store_cursor_next(&cursor, session->client, &found)))
		++*count;
	return status == STORE_NOT_FOUND ? 0 : failed(status);
}

/* Each index has as many entries as there are rows, and each of them leads to one. */
int ha_sluice::check(THD *, HA_CHECK_OPT *)
{
	uint64_t row_count, entry_count, found_count;

	if (session_ask(session, share) || count_keys(0, 0, &row_count))
		return HA_ADMIN_FAILED;
	for (uint index = 0; index < table_share->keys; index++) {
		uint32_t space = space_of(index);

		if (space == 0)
			continue;
		if (count_keys(space, 0, &entry_count) || count_keys(space, STORE_WITH_ROWS, &found_count))
			return HA_ADMIN_FAILED;
		if (entry_count != row_count || found_count != row_count)
			return HA_ADMIN_CORRUPT;
	}
	return HA_ADMIN_OK;
}

int ha_sluice::optimize(THD *, HA_CHECK_OPT *)
{
	return HA_ADMIN_TRY_ALTER;
}
