/*
 * Rows are inserted, updated and deleted: see ha_sluice.h.
 *
 * Theory of operation. Statements that insert many rows, and where a duplicate ends them, gather rows in one request. They are
 * written when there are enough, before anything else is asked for the transaction (session_ask), and at the statement's end. If one of them
 * is a duplicate, the server is shown that row, so that it can say which.
 */
#include "ha_sluice.h"

#include "hidden_keys.h"
#include "variables.h"

static const int64_t copy_commit_rows =
	20000; /* of a table that is copied, which nobody else sees yet */

static bool is_same(const std::string &one, const std::string &other)
{
	return one == other;
}

/* ---- Keys. ---- */

int ha_sluice::encode_primary(const uchar *record, std::string *to, bool is_new)
{
	to->clear();
	if (has_primary_key()) {
		keys[table_share->primary_key]->encode_row(record, to);
		return 0;
	}
	if (is_new)
		return hidden_key_append(session, to);
	*to = current_primary; /* rows are only changed where the handler stands */
	return 0;
}

bool ha_sluice::is_entry_unique(uint index, bool has_null) const
{
	return (table->key_info[index].flags & HA_NOSAME) && !has_null;
}

/* Returns whether the entry is one that may be there only once. */
bool ha_sluice::encode_entry(
	uint index, const uchar *record, const std::string &of, std::string *to) const
{
	bool is_unique;

	to->clear();
	is_unique = is_entry_unique(index, keys[index]->encode_row(record, to));
	if (!is_unique)
		to->append(of);
	return is_unique;
}

/*
 * Whether the records of an update have the virtual columns of an index. The server computes those that the statement uses or changes, and
 * says so by its bitmap; what the others are is the same before and after it.
 */
bool ha_sluice::is_key_computed(uint index) const
{
	const KEY *key = &table->key_info[index];

	for (uint i = 0; i < key->user_defined_key_parts; i++) {
		const Field *field = key->key_part[i].field;

		if (!field->stored_in_db() && !bitmap_is_set(table->read_set, field->field_index))
			return false;
	}
	return true;
}

/* ---- Adding changes to the batch. ---- */

int ha_sluice::add_row(const std::string &key, bool is_insert)
{
	int status =
		is_insert ? store_batch_insert(&batch, 0, store_bytes_of(key), store_bytes_of(row))
			  : store_batch_put(&batch, 0, store_bytes_of(key), store_bytes_of(row));

	has_new_key |= is_insert;
	if (status == 0)
		batch_indexes.push_back(has_primary_key() ? table_share->primary_key : MAX_KEY);
	return status;
}

int ha_sluice::add_entry(uint index, const std::string &key, bool is_unique, const std::string &of)
{
	uint32_t bytes = static_cast<uint32_t>(of.size());
	int status;

	value.assign(reinterpret_cast<const char *>(&bytes), sizeof bytes);
	value.append(of);
	status = is_unique ? store_batch_insert(&batch, space_of(index), store_bytes_of(key),
				     store_bytes_of(value))
			   : store_batch_put(&batch, space_of(index), store_bytes_of(key),
				     store_bytes_of(value));
	has_new_key |= is_unique;
	if (status == 0)
		batch_indexes.push_back(index);
	return status;
}

int ha_sluice::add_insert(const uchar *record, const std::string &key)
{
	int status = add_row(key, true);

	for (uint index = 0; index < table_share->keys && !status; index++) {
		bool is_unique;

		if (index == table_share->primary_key)
			continue;
		is_unique = encode_entry(index, record, key, &entry);
		status = add_entry(index, entry, is_unique, key);
	}
	return status;
}

int ha_sluice::add_delete(const uchar *record, const std::string &key)
{
	int status = store_batch_delete(&batch, 0, store_bytes_of(key));

	for (uint index = 0; index < table_share->keys && !status; index++) {
		if (index == table_share->primary_key)
			continue;
		encode_entry(index, record, key, &entry);
		status = store_batch_delete(&batch, space_of(index), store_bytes_of(entry));
	}
	batch_indexes.resize(batch.change_count, MAX_KEY);
	return status;
}

int ha_sluice::add_index_update(uint index, const uchar *old_record, const std::string &old_primary,
	const uchar *new_record, const std::string &new_primary)
{
	bool is_unique;
	int status;

	if (!is_key_computed(index)) {
		if (is_same(old_primary, new_primary))
			return 0;
		compute_columns(old_record, VCOL_UPDATE_INDEXED);
		new_record = old_record;
	}
	encode_entry(index, old_record, old_primary, &other_entry);
	is_unique = encode_entry(index, new_record, new_primary, &entry);
	if (is_same(entry, other_entry))
		return is_same(old_primary, new_primary)
			       ? 0
			       : add_entry(index, entry, false, new_primary);
	status = store_batch_delete(&batch, space_of(index), store_bytes_of(other_entry));
	batch_indexes.resize(batch.change_count, MAX_KEY);
	has_new_key = true;
	return status ? status : add_entry(index, entry, is_unique, new_primary);
}

int ha_sluice::add_update(const uchar *old_record, const std::string &old_primary,
	const uchar *new_record, const std::string &new_primary)
{
	bool is_moved = !is_same(old_primary, new_primary);
	int status = is_moved ? store_batch_delete(&batch, 0, store_bytes_of(old_primary)) : 0;

	batch_indexes.resize(batch.change_count, MAX_KEY);
	if (!status)
		status = add_row(new_primary, is_moved);
	for (uint index = 0; index < table_share->keys && !status; index++)
		if (index != table_share->primary_key)
			status = add_index_update(
				index, old_record, old_primary, new_record, new_primary);
	return status;
}

/* ---- Writing the batch. ---- */

int ha_sluice::begin_batch()
{
	batch_indexes.clear();
	batch_rows.clear();
	batch_records.clear();
	batch_row_count = 0;
	has_new_key = false;
	if (!session->client)
		return HA_ERR_NO_CONNECTION; /* the write before has lost it */
	return session_error(session, store_batch_begin(&batch, session->client, &handle));
}

/* The server says which key is a duplicate by `errkey` and the record. */
int ha_sluice::find_duplicate(uint32_t change)
{
	size_t number = batch_records.size();

	duplicate_key = change < batch_indexes.size() ? batch_indexes[change] : MAX_KEY;
	while (number > 0 && batch_rows[number - 1] > change)
		number--;
	if (number > 0) {
		row_data = batch_records[number - 1];
		rows->decode(row_data.data(), row_data.size(), table->record[0]);
	}
	return HA_ERR_FOUND_DUPP_KEY;
}

int ha_sluice::write_batch(bool is_posted)
{
	uint32_t failed_change = 0;
	int64_t count = batch_row_count;
	int error = session_write(session, &batch, is_posted, &failed_change);

	if (error == HA_ERR_FOUND_DUPP_KEY) {
		error = find_duplicate(failed_change);
		begin_batch();
		return error;
	}
	if (error == HA_ERR_TABLE_DEF_CHANGED)
		share->forget_handle();
	if (!error)
		count_write(count);
	if (session->client && begin_batch() && !error)
		error = HA_ERR_OUT_OF_MEM;
	return error;
}

void ha_sluice::count_write(int64_t count)
{
	share->rows_changed += count;
	if (writes)
		writes_seen = ++*writes;
}

int ha_sluice::bulk_write()
{
	session->bulk = nullptr;
	return batch.change_count ? write_batch(false) : 0;
}

/*
 * Changes of a row that is locked wait for nobody, unless for one who has locked one of its index's entries and waits for the row: a deadlock.
 * A key that is not there yet is another matter: it may be a duplicate, or in an interval that somebody has read.
 */
bool ha_sluice::may_post() const
{
	return !has_new_key && (lock_flags & STORE_EXCLUSIVE);
}

bool ha_sluice::may_wait_for_more() const
{
	const LEX *lex = table->in_use->lex;

	return is_bulk && !is_duplicate_expected && !lex->ignore && lex->duplicates == DUP_ERROR &&
	       (!session->bulk || session->bulk == this);
}

/* What is copied is committed piece by piece: nobody else has the table, and it goes if the copy fails. */
int ha_sluice::commit_copied()
{
	if (!is_copy || (copied_rows += batch_row_count) < copy_commit_rows)
		return 0;
	copied_rows = 0;
	if (int error = bulk_write())
		return error;
	session->has_statement_savepoint = false;
	session->left_behind = 0;
	return failed(store_client_commit(session->client, false));
}

/* ---- The counter behind AUTO_INCREMENT. ---- */

/* A number that the statement gives itself: later ones are to be greater. */
int ha_sluice::note_counter(const uchar *record)
{
	Field *field = table->found_next_number_field;
	longlong number;
	struct store_handle of;

	if (!field || record != table->record[0] || field->is_null())
		return 0;
	number = field->val_int();
	if ((number < 0 && !field->is_unsigned()) ||
		static_cast<ulonglong>(number) < share->counter_floor)
		return 0;
	of = handle;
	share->counter_floor =
		std::min<ulonglong>(static_cast<ulonglong>(number), ULONGLONG_MAX - 1) + 1;
	return failed(
		store_client_counter(session->client, &of, share->counter_floor, 1, 0, 0, nullptr));
}

/* One number is asked for, if there are not as many as the server would like. */
void ha_sluice::get_auto_increment(ulonglong offset, ulonglong increment, ulonglong count,
	ulonglong *first, ulonglong *reserved)
{
	uint64_t number = 0;
	int status;

	*first = ULONGLONG_MAX;
	if (session_connect(session))
		return;
	status = store_client_counter(
		session->client, &handle, 1, increment, offset % increment, count, &number);
	if (status == STORE_TOO_BIG && count > 1) {
		count = 1;
		status = store_client_counter(
			session->client, &handle, 1, increment, offset % increment, count, &number);
	}
	if (failed(status))
		return;
	share->counter_floor = number + (count - 1) * increment + 1;
	*reserved = count;
	*first = number;
}

/* ---- The server's functions. ---- */

int ha_sluice::write_now_or_later(size_t first_change)
{
	if (!may_wait_for_more()) {
		session->bulk = nullptr;
		return write_batch(false);
	}
	batch_rows.push_back(first_change);
	batch_records.push_back(row);
	session->bulk = this;
	return 0;
}

/* The rows that wait are written first, if this one would make too many of them. */
int ha_sluice::make_room()
{
	int error;

	if (session->bulk == this && batch.bytes + row.size() < sluice_bulk_bytes(table->in_use))
		return 0;
	if ((error = session_ask(session)))
		return error;
	return begin_batch();
}

int ha_sluice::write_row(const uchar *record)
{
	size_t first_change;
	int error;

	if (table->next_number_field && record == table->record[0] &&
		(error = update_auto_increment()))
		return error;
	row.clear();
	rows->encode(record, &row);
	if ((error = make_room()) || (error = note_counter(record)) ||
		(error = encode_primary(record, &primary, true)))
		return error;
	first_change = batch.change_count;
	if ((error = failed(add_insert(record, primary)))) {
		session->bulk = nullptr;
		return error;
	}
	batch_row_count++;
	if ((error = write_now_or_later(first_change)))
		return error;
	return commit_copied();
}

int ha_sluice::update_row(const uchar *old_record, const uchar *new_record)
{
	int error = session_ask(session);

	if (error || (error = begin_batch()) || (error = note_counter(new_record)))
		return error;
	row.clear();
	rows->encode(new_record, &row);
	encode_primary(old_record, &other_primary, false);
	encode_primary(new_record, &primary, false);
	if ((error = failed(add_update(old_record, other_primary, new_record, primary))))
		return error;
	return write_batch(may_post());
}

int ha_sluice::delete_row(const uchar *record)
{
	int error = session_ask(session);

	if (error || (error = begin_batch()))
		return error;
	encode_primary(record, &primary, false);
	if ((error = failed(add_delete(record, primary))))
		return error;
	batch_row_count = -1;
	return write_batch(may_post());
}

static bool is_copying(THD *thd)
{
	switch (thd_sql_command(thd)) {
	case SQLCOM_ALTER_TABLE:
	case SQLCOM_CREATE_INDEX:
	case SQLCOM_DROP_INDEX:
	case SQLCOM_OPTIMIZE:
		return true;
	default:
		return false;
	}
}

void ha_sluice::start_bulk_insert(ha_rows, uint)
{
	is_bulk = sluice_bulk_bytes(table->in_use) != 0;
	is_copy = is_copying(table->in_use) && share->name.find("#sql-") != std::string::npos;
	copied_rows = 0;
}

int ha_sluice::end_bulk_insert()
{
	int error = 0;

	is_bulk = is_copy = false;
	if (session && session->bulk == this)
		error = bulk_write();
	if (error)
		my_errno = error;
	return error;
}
