/*
 * How many rows there are, for the optimizer and for people.
 */
#include "ha_sluice.h"

static const uint32_t range_rows_max = 256; /* that are looked at, to count those of a range */
static const uint32_t rows_counted_max =
	10000000; /* by ANALYZE; of more, the module's own count has to do */
static const double equal_rows_guess = 10; /* that have the same value in a column of an index */

/* Of an index that was never looked at. */
static double rows_per_key_guess(const KEY *key, uint parts, ha_rows rows)
{
	double guess = equal_rows_guess;

	for (uint i = parts; i < key->user_defined_key_parts; i++)
		guess *= equal_rows_guess;
	return std::min<double>(guess, static_cast<double>(rows) / 2);
}

/* Parts behind the index's own are the primary key's, so with all of them it is one row. */
void ha_sluice::set_rows_per_key(uint index, const table_statistics &found)
{
	KEY *key = &table->key_info[index];
	double rows_now = static_cast<double>(stats.records);

	for (uint part = 0; part < key->ext_key_parts; part++) {
		uint parts = part + 1;
		double rows = 1;

		if (parts < key->user_defined_key_parts ||
			(parts == key->user_defined_key_parts && !(key->flags & HA_NOSAME))) {
			rows = found.rows_per_key(table_share, index, parts);
			if (rows == 0)
				rows = rows_per_key_guess(key, parts, stats.records);
		}
		key->rec_per_key[part] =
			static_cast<ulong>(std::max<double>(1, std::min(rows, rows_now) + 0.5));
	}
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
		stats.mean_rec_length = static_cast<ulong>(
			numbers.data_bytes / std::max<ha_rows>(1, stats.records));
		stats.block_size = 4096;
	}
	if (what & HA_STATUS_CONST) {
		table_statistics found = share->statistics();

		for (uint index = 0; index < table_share->keys; index++)
			set_rows_per_key(index, found);
	}
	if ((what & HA_STATUS_AUTO) && table->found_next_number_field) {
		error = session_connect(session);
		if (!error)
			error = failed(
				store_client_table_status(session->client, &handle, &numbers));
		stats.auto_increment_value = numbers.counter;
	}
	return error;
}

ha_rows ha_sluice::records_in_range(
	uint index, const key_range *least, const key_range *most, page_range *)
{
	bounds range = bounds_of(index, least, most);
	uint64_t count = 0;
	bool is_exact;

	if (range.is_empty)
		return 1;
	if (session_ask(session, share) || (may_read_ahead(index) && read_ahead(index, range)))
		return HA_POS_ERROR;
	if (is_read_ahead(index, range) && cursor.is_end)
		return std::max<uint64_t>(1, cursor.left);
	if (failed(store_client_count(session->client, &handle, space_of(index),
		    store_bytes_of(range.lower), store_bytes_of(range.upper), range_rows_max,
		    read_flags() & (STORE_FRESH | STORE_DIRTY), &count, &is_exact)))
		return HA_POS_ERROR;
	return std::max<uint64_t>(1, count);
}

/* Exactly, for the module, too, whose own count is about right. */
int ha_sluice::count_rows(uint64_t *count)
{
	bool is_exact;

	return failed(store_client_count(session->client, &handle, 0, {nullptr, 0}, {nullptr, 0},
		rows_counted_max, STORE_DIRTY, count, &is_exact));
}

int ha_sluice::analyze(THD *, HA_CHECK_OPT *)
{
	table_statistics found;
	uint64_t count;

	if (session_ask(session) || count_rows(&count))
		return HA_ADMIN_FAILED;
	for (uint index = 0; index < table_share->keys; index++) {
		struct index_sample sample;

		if (failed(index_sample_take(session->client, &handle, space_of(index),
			    *keys[index], count, &sample)))
			return HA_ADMIN_FAILED;
		found.add(sample);
	}
	if (share->set_statistics(session, found) || info(HA_STATUS_VARIABLE | HA_STATUS_CONST))
		return HA_ADMIN_FAILED;
	return HA_ADMIN_OK;
}

int ha_sluice::optimize(THD *, HA_CHECK_OPT *)
{
	return HA_ADMIN_TRY_ALTER;
}
