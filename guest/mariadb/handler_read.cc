/*
 * Rows are read: see ha_sluice.h.
 *
 * Theory of operation. A scan is a range of keys of one space, in one direction. The server may turn round, or go on beyond the range that it
 * asked for first; then another scan begins at the row where it stands.
 */
#include "ha_sluice.h"

static const uint32_t table_scan_rows = 64, range_scan_rows = 128, open_scan_rows = 4,
		      locked_rows_max = 64;
static const uint32_t scan_bytes_max = 256 * 1024;

/* A lock is only for rows that are looked at, so few are asked for at once. */
unsigned ha_sluice::read_flags() const
{
	unsigned flags = lock_flags | skip_flags;

	if (lock_flags)
		return flags;
	switch (thd_tx_isolation(table->in_use)) {
	case ISO_READ_UNCOMMITTED:
		return STORE_DIRTY;
	case ISO_READ_COMMITTED:
		return STORE_FRESH;
	default:
		return 0;
	}
}

uint32_t ha_sluice::space_of(uint index) const
{
	if (index == MAX_KEY || index == table_share->primary_key)
		return 0;
	return index < table_share->primary_key ? index + 1 : index;
}

int ha_sluice::failed(int status)
{
	if (status == STORE_STALE)
		share->forget_handle();
	return session_error(session, status);
}

/* ---- Ranges. ---- */

ha_sluice::bounds ha_sluice::bounds_of(
	uint index, const key_range *start, const key_range *end) const
{
	bounds range;

	if (start) {
		keys[index]->encode_search(start->key, start->keypart_map, &range.lower);
		if (start->flag == HA_READ_AFTER_KEY) {
			range.lower = key_behind(range.lower);
			range.is_empty = range.lower.empty();
		}
	}
	if (end) {
		keys[index]->encode_search(end->key, end->keypart_map, &range.upper);
		if (end->flag != HA_READ_BEFORE_KEY)
			range.upper = key_behind(range.upper);
	}
	return range;
}

bool ha_sluice::is_keyread_only()
{
	return scan_index != MAX_KEY && scan_index != table_share->primary_key && !lock_flags &&
	       keyread_enabled() && can_restore_primary && keys[scan_index]->can_restore();
}

int ha_sluice::begin_scan(uint index, const bounds &range, bool is_backward, uint32_t rows_first)
{
	struct store_range scan = {};

	scan_index = index;
	scan_bounds = range;
	is_scan_begun = true;
	is_alone = is_ahead = false;
	is_scan_backward = is_backward;
	writes_seen = writes ? *writes : 0;
	scan.handle = handle;
	scan.space = space_of(index);
	scan.flags = read_flags() | (is_backward ? STORE_BACKWARD : 0);
	if (scan.space && !is_keyread_only())
		scan.flags |= STORE_WITH_ROWS;
	scan.lower = store_bytes_of(scan_bounds.lower);
	scan.upper = store_bytes_of(scan_bounds.upper);
	scan.rows_first = rows_first;
	scan.rows_max = lock_flags ? locked_rows_max : 0;
	scan.bytes_max = scan_bytes_max;
	return session_error(session, store_cursor_begin(&cursor, &scan));
}

/* From behind the row where it stands, within the same bounds. */
int ha_sluice::begin_scan_again()
{
	bounds range = scan_bounds;

	if (is_scan_backward)
		range.upper = current_key;
	else
		range.lower = current_key + '\0';
	return begin_scan(scan_index, range, is_scan_backward, range_scan_rows);
}

/* Go on from the row where it stands to the end of the index. */
int ha_sluice::scan_on(bool is_backward)
{
	bounds range;

	if (is_scan_begun && !is_scan_bounded && is_scan_backward == is_backward)
		return 0;
	if (is_backward)
		range.upper = current_key;
	else
		range.lower = current_key + '\0';
	is_scan_bounded = false;
	return begin_scan(scan_index, range, is_backward, open_scan_rows);
}

/* ---- Reading ahead. ---- */

/* Rows that nobody locks or has to look up, and of which the statement wants more than a few. */
bool ha_sluice::may_read_ahead(uint index) const
{
	return !has_read_ahead && inited == NONE && !lock_flags && space_of(index) == 0 &&
	       first_rows(false) == range_scan_rows;
}

/*
 * Who has the rows of a range counted mostly reads them next. So what a scan of it would fetch first is fetched now. Of a statement's first
 * range only: where there are many, most are not the next one.
 */
int ha_sluice::read_ahead(uint index, const bounds &range)
{
	int error = begin_scan(index, range, false, range_scan_rows);

	if (!error)
		error = failed(store_cursor_fill(&cursor, session->client));
	is_scan_begun = false;
	has_read_ahead = true;
	is_ahead = !error;
	return error;
}

bool ha_sluice::is_read_ahead(uint index, const bounds &range) const
{
	return is_ahead && scan_index == index && scan_bounds == range;
}

/* Returns whether the scan of this range has begun by that. */
bool ha_sluice::take_read_ahead(const bounds &range)
{
	if (!is_read_ahead(active_index, range) || (writes && *writes != writes_seen) || lock_flags)
		return false;
	is_scan_begun = true;
	is_ahead = is_alone = is_scan_backward = false;
	return true;
}

/* ---- Rows. ---- */

int ha_sluice::decode_data(const char *data, size_t bytes, uchar *buffer)
{
	if (rows->has_blobs()) {
		row_data.assign(data, bytes);
		data = row_data.data();
	}
	return rows->decode(data, bytes, buffer);
}

/* Virtual columns, which no row has. While it reads from an index alone, the server leaves those of the index to the engine. */
void ha_sluice::compute_columns(const uchar *record, enum_vcol_update_mode which)
{
	uint reads_index = keyread;

	keyread = MAX_KEY;
	table->move_fields(table->field, record, table->record[0]);
	table->update_virtual_fields(this, which);
	table->move_fields(table->field, table->record[0], record);
	keyread = reads_index;
}

int ha_sluice::decode_row(const struct store_cursor_row &found, uchar *buffer)
{
	const char *bytes = static_cast<const char *>(found.value.data);
	const char *key = static_cast<const char *>(found.key.data);
	uint32_t primary_bytes;
	size_t used;
	int error;

	current_key.assign(key, found.key.bytes);
	if (space_of(scan_index) == 0) {
		current_primary = current_key;
		return decode_data(bytes, found.value.bytes, buffer);
	}
	if (found.value.bytes < sizeof primary_bytes)
		return HA_ERR_CRASHED;
	memcpy(&primary_bytes, bytes, sizeof primary_bytes);
	if (primary_bytes > found.value.bytes - sizeof primary_bytes)
		return HA_ERR_CRASHED;
	current_primary.assign(bytes + sizeof primary_bytes, primary_bytes);
	if (!is_keyread_only()) {
		error = decode_data(
			static_cast<const char *>(found.row.data), found.row.bytes, buffer);
		if (!error && table->vfield && keyread_enabled())
			compute_columns(buffer, VCOL_UPDATE_FOR_READ);
		return error;
	}
	used = keys[scan_index]->restore(key, found.key.bytes, buffer);
	if (used && has_primary_key())
		used = keys[table_share->primary_key]->restore(
			current_primary.data(), primary_bytes, buffer);
	return used ? 0 : HA_ERR_CRASHED;
}

int ha_sluice::fetch(uchar *buffer)
{
	struct store_cursor_row found;
	int error, status;

	if (scan_bounds.is_empty)
		return HA_ERR_END_OF_FILE;
	if ((error = session_ask(session, share)))
		return error;
	if (writes && *writes != writes_seen && !current_key.empty() &&
		(error = begin_scan_again()))
		return error;
	status = store_cursor_next(&cursor, session->client, &found);
	if (status == STORE_NOT_FOUND)
		return HA_ERR_END_OF_FILE;
	return status ? failed(status) : decode_row(found, buffer);
}

/* ---- By their primary keys. ---- */

int ha_sluice::rnd_init(bool is_scan)
{
	current_key.clear();
	is_scan_bounded = true;
	if (!is_scan)
		return 0;
	return begin_scan(MAX_KEY, bounds(), false, lock_flags ? 1 : table_scan_rows);
}

int ha_sluice::rnd_end()
{
	is_scan_begun = false;
	return 0;
}

int ha_sluice::rnd_next(uchar *buffer)
{
	return fetch(buffer);
}

/* A position is a number of bytes, in two bytes, and that many of a primary key. */
void ha_sluice::position(const uchar *)
{
	int2store(ref, current_primary.size());
	memcpy(ref + 2, current_primary.data(), current_primary.size());
	memset(ref + 2 + current_primary.size(), 0, ref_length - 2 - current_primary.size());
}

int ha_sluice::cmp_ref(const uchar *one, const uchar *other)
{
	uint bytes = uint2korr(one), other_bytes = uint2korr(other);
	int difference = memcmp(one + 2, other + 2, std::min(bytes, other_bytes));

	return difference ? difference : static_cast<int>(bytes) - static_cast<int>(other_bytes);
}

int ha_sluice::rnd_pos(uchar *buffer, uchar *at)
{
	struct store_bytes found, key = {at + 2, uint2korr(at)};
	int status, error = session_ask(session, share);

	if (error)
		return error;
	status = store_client_get(
		session->client, &handle, 0, key, read_flags() & ~STORE_SKIP_LOCKED, &found);
	if (status)
		return failed(status);
	current_primary.assign(static_cast<const char *>(key.data), key.bytes);
	if (space_of(scan_index) == 0)
		current_key = current_primary;
	return decode_data(static_cast<const char *>(found.data), found.bytes, buffer);
}

/* ---- By an index. ---- */

int ha_sluice::index_init(uint index, bool)
{
	active_index = index;
	scan_index = index;
	is_scan_begun = is_scan_bounded = is_alone = false;
	current_key.clear();
	return 0;
}

int ha_sluice::index_end()
{
	active_index = MAX_KEY;
	is_scan_begun = false;
	return 0;
}

/* What is locked is skipped by scans alone. */
bool ha_sluice::is_whole_primary(key_part_map parts) const
{
	return active_index == table_share->primary_key && !skip_flags &&
	       parts == make_prev_keypart_map(keys[active_index]->parts());
}

/* The one row with that key, without a scan. Who locks ranges locks a key that is not there, too. */
int ha_sluice::find_primary(const std::string &key, uchar *buffer)
{
	const unsigned flags = read_flags() | (lock_flags & STORE_RANGE ? 0 : STORE_IF_THERE);
	struct store_bytes found;
	int status, error = session_ask(session, share);

	if (error)
		return error;
	scan_index = active_index;
	is_scan_begun = is_scan_backward = false;
	is_scan_bounded = is_alone = true;
	status = store_client_get(session->client, &handle, 0, store_bytes_of(key), flags, &found);
	if (status)
		return failed(status);
	current_key = current_primary = key;
	return decode_data(static_cast<const char *>(found.data), found.bytes, buffer);
}

static const struct search {
	bool is_backward;
	bool is_bounded;    /* only keys that begin with the one searched for */
	bool starts_behind; /* forward: from behind all of those; backward: they are included */
} searches[] = {
	{false, true, false},  /* HA_READ_KEY_EXACT */
	{false, false, false}, /* HA_READ_KEY_OR_NEXT */
	{true, false, true},   /* HA_READ_KEY_OR_PREV */
	{false, false, true},  /* HA_READ_AFTER_KEY */
	{true, false, false},  /* HA_READ_BEFORE_KEY */
	{false, true, false},  /* HA_READ_PREFIX */
	{true, true, true},    /* HA_READ_PREFIX_LAST */
	{true, false, true},   /* HA_READ_PREFIX_LAST_OR_PREV */
};

int ha_sluice::index_read_map(
	uchar *buffer, const uchar *key, key_part_map parts, enum ha_rkey_function how)
{
	bounds range;
	std::string behind;
	bool is_unique;
	int error;

	if (static_cast<size_t>(how) >= array_elements(searches))
		return HA_ERR_WRONG_COMMAND;
	const search &search = searches[how];
	keys[active_index]->encode_search(key, parts, &range.lower);
	if (how == HA_READ_KEY_EXACT && is_whole_primary(parts))
		return find_primary(range.lower, buffer);
	behind = key_behind(range.lower);
	if (search.is_bounded) {
		range.upper = behind;
	} else if (search.is_backward) {
		range.upper = search.starts_behind ? behind : range.lower;
		range.lower.clear();
	} else if (search.starts_behind) {
		range.lower = behind;
		range.is_empty = behind.empty();
	}
	is_unique = search.is_bounded && (table->key_info[active_index].flags & HA_NOSAME) &&
		    parts == make_prev_keypart_map(keys[active_index]->parts());
	current_key.clear();
	is_scan_bounded = search.is_bounded;
	error = begin_scan(active_index, range, search.is_backward,
		is_unique || lock_flags ? 1 : open_scan_rows);
	if (!error)
		error = fetch(buffer);
	return error == HA_ERR_END_OF_FILE ? HA_ERR_KEY_NOT_FOUND : error;
}

int ha_sluice::index_read_last_map(uchar *buffer, const uchar *key, key_part_map parts)
{
	return index_read_map(buffer, key, parts, HA_READ_PREFIX_LAST);
}

int ha_sluice::index_next(uchar *buffer)
{
	int error = scan_on(false);

	return error ? error : fetch(buffer);
}

int ha_sluice::index_prev(uchar *buffer)
{
	int error = scan_on(true);

	return error ? error : fetch(buffer);
}

int ha_sluice::index_next_same(uchar *buffer, const uchar *key, uint key_bytes)
{
	if (is_alone)
		return HA_ERR_END_OF_FILE;
	if (is_scan_bounded && !is_scan_backward)
		return fetch(buffer);
	return handler::index_next_same(buffer, key, key_bytes);
}

int ha_sluice::index_first(uchar *buffer)
{
	int error;

	current_key.clear();
	is_scan_bounded = false;
	error = begin_scan(active_index, bounds(), false, lock_flags ? 1 : open_scan_rows);
	return error ? error : fetch(buffer);
}

int ha_sluice::index_last(uchar *buffer)
{
	int error;

	current_key.clear();
	is_scan_bounded = false;
	error = begin_scan(active_index, bounds(), true, lock_flags ? 1 : open_scan_rows);
	return error ? error : fetch(buffer);
}

/* The range's end goes to the module, so that no row behind it is sent or locked. */
int ha_sluice::read_range_first(const key_range *start, const key_range *end, bool is_equal, bool)
{
	bounds range;
	int error;

	eq_range = is_equal;
	set_end_range(end);
	range_key_part = table->key_info[active_index].key_part;
	range = bounds_of(active_index, start, end);
	/* Rows that wait are written before it is known whether what was read ahead is still all there is. */
	if ((error = session_ask(session, share)))
		return error;
	if (start && is_equal && is_whole_primary(start->keypart_map))
		return show_range_row(find_primary(range.lower, table->record[0]));
	current_key.clear();
	is_scan_bounded = true;
	error = take_read_ahead(range)
			? 0
			: begin_scan(active_index, range, false, first_rows(is_equal));
	return error ? error : ha_sluice::read_range_next();
}

/* No more than one: a lock is for rows that are looked at. No more than the statement wants, either. */
uint32_t ha_sluice::first_rows(bool is_equal) const
{
	ha_rows limit = table->in_use->lex->unit.lim.get_select_limit();
	uint32_t usual = is_equal ? open_scan_rows : range_scan_rows;

	if (lock_flags)
		return 1;
	return limit < usual ? std::max<uint32_t>(static_cast<uint32_t>(limit), 1) : usual;
}

int ha_sluice::read_range_next()
{
	return is_alone ? show_range_row(HA_ERR_END_OF_FILE)
			: show_range_row(fetch(table->record[0]));
}

int ha_sluice::show_range_row(int error)
{
	if (error == HA_ERR_KEY_NOT_FOUND)
		error = HA_ERR_END_OF_FILE;
	table->status = error ? STATUS_NOT_FOUND : 0;
	/* The server does so after the functions that this one does not go through. */
	if (!error && table->vfield)
		error = table->update_virtual_fields(this, VCOL_UPDATE_FOR_READ);
	return error;
}
