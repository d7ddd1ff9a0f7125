/*
 * The handler of ENGINE=SLUICE: one open table of one connection at a time.
 *
 * Theory of operation. Rows are in space 0 of a table of the storage module, by their primary key (or by a number, if there is none);
 * each further index is a space of its own. A unique index has the columns' key, another one the columns' and the row's
 * primary key; so has a unique one where a column is NULL, as such entries equal none. All changes that a row makes are one request.
 *
 * Scans come in batches, which grow. Rows that this connection has written since a batch came may be in it as they were; if
 * another handler of the connection wrote, the scan starts again behind its row. What this handler itself wrote during its own scan
 * is behind the scan, for the server collects the rows before it changes the key that it scans by.
 */
#ifndef SLUICE_GUEST_MARIADB_HA_SLUICE_H
#define SLUICE_GUEST_MARIADB_HA_SLUICE_H

#include "server.h"

#include "key_codec.h"
#include "row_codec.h"
#include "session.h"
#include "shared_table.h"

/* In handler_tables.cc: the engine's function. */
void drop_database(handlerton *engine, char *path);

class ha_sluice final : public handler
{
public:
	ha_sluice(handlerton *engine, TABLE_SHARE *table);
	~ha_sluice() override;

	/* ha_sluice.cc: what it can, and opening */
	Table_flags table_flags() const override;
	ulong index_flags(uint index, uint part, bool all_parts) const override;
	uint max_supported_keys() const override;
	uint max_supported_key_length() const override;
	uint max_supported_key_part_length() const override;
	const char *index_type(uint index) override;
	uint8 table_cache_type() override;
	int open(const char *path, int mode, uint flags) override;
	int close() override;
	uint lock_count() const override;
	THR_LOCK_DATA **store_lock(THD *thd, THR_LOCK_DATA **to, enum thr_lock_type type) override;
	int external_lock(THD *thd, int type) override;
	int start_stmt(THD *thd, thr_lock_type type) override;
	int extra(enum ha_extra_function operation) override;
	int reset() override;
	bool get_error_message(int error, String *text) override;

	/* handler_tables.cc: whole tables */
	int create(const char *path, TABLE *form, HA_CREATE_INFO *info) override;
	int delete_table(const char *path) override;
	int rename_table(const char *from, const char *to) override;
	int truncate() override;
	void update_create_info(HA_CREATE_INFO *info) override;
	bool check_if_incompatible_data(HA_CREATE_INFO *info, uint changes) override;

	/* handler_read.cc: scans */
	int rnd_init(bool is_scan) override;
	int rnd_end() override;
	int rnd_next(uchar *buffer) override;
	int rnd_pos(uchar *buffer, uchar *position) override;
	void position(const uchar *record) override;
	int cmp_ref(const uchar *one, const uchar *other) override;
	int index_init(uint index, bool is_sorted) override;
	int index_end() override;
	int index_read_map(uchar *buffer, const uchar *key, key_part_map parts,
		enum ha_rkey_function how) override;
	int index_read_last_map(uchar *buffer, const uchar *key, key_part_map parts) override;
	int index_next(uchar *buffer) override;
	int index_next_same(uchar *buffer, const uchar *key, uint key_bytes) override;
	int index_prev(uchar *buffer) override;
	int index_first(uchar *buffer) override;
	int index_last(uchar *buffer) override;
	int read_range_first(const key_range *start, const key_range *end, bool is_equal,
		bool is_sorted) override;
	int read_range_next() override;

	/* handler_write.cc: rows */
	int write_row(const uchar *record) override;
	int update_row(const uchar *old_record, const uchar *new_record) override;
	int delete_row(const uchar *record) override;
	void start_bulk_insert(ha_rows rows, uint flags) override;
	int end_bulk_insert() override;
	void get_auto_increment(ulonglong offset, ulonglong increment, ulonglong count,
		ulonglong *first, ulonglong *reserved) override;

	/* Write the rows that wait. Returns an error of the server's. */
	int bulk_write();

	/* Whether those rows may be asked for by who reads that table; NULL: they are. */
	bool must_write_for(const shared_table *reads) const
	{
		return !reads || reads == share;
	}

	/* handler_statistics.cc */
	int info(uint what) override;
	ha_rows records_in_range(uint index, const key_range *least, const key_range *most,
		page_range *pages) override;
	int analyze(THD *thd, HA_CHECK_OPT *options) override;
	int optimize(THD *thd, HA_CHECK_OPT *options) override;

	/* handler_check.cc */
	int check(THD *thd, HA_CHECK_OPT *options) override;

private:
	bool has_primary_key() const
	{
		return table_share->primary_key != MAX_KEY;
	}

	/* Of an index: its number at the module. */
	uint32_t space_of(uint index) const;

	int enter(THD *thd);
	unsigned range_flag(THD *thd) const;
	unsigned read_flags() const;
	shared_table *get_share(const char *path);

	/* Reading. */
	struct bounds {
		std::string lower, upper;
		bool is_empty = false;

		bool operator==(const bounds &other) const
		{
			return lower == other.lower && upper == other.upper &&
			       is_empty == other.is_empty;
		}
	};
	bounds bounds_of(uint index, const key_range *start, const key_range *end) const;
	int begin_scan(uint index, const bounds &range, bool is_backward, uint32_t rows_first);
	int begin_scan_again();
	int scan_on(bool is_backward);
	bool may_read_ahead(uint index) const;
	int read_ahead(uint index, const bounds &range);
	bool is_read_ahead(uint index, const bounds &range) const;
	bool take_read_ahead(const bounds &range);
	int find_primary(const std::string &key, uchar *buffer);
	bool is_whole_primary(key_part_map parts) const;
	uint32_t first_rows(bool is_equal) const;
	int show_range_row(int error);
	int fetch(uchar *buffer);
	int decode_row(const struct store_cursor_row &row, uchar *buffer);
	int decode_data(const char *data, size_t bytes, uchar *buffer);
	void compute_columns(const uchar *record, enum_vcol_update_mode which);
	bool is_keyread_only();
	void set_rows_per_key(uint index, const table_statistics &found);
	int count_rows(uint64_t *count);
	bool is_row_good(const struct store_cursor_row &found);
	bool is_entry_good(uint index, const struct store_cursor_row &found);
	int count_entries(uint index, uint64_t *count);
	int count_good(uint index, uint64_t *count, bool *are_all);
	int check_all(THD *thd);
	int failed(int status);

	/* Writing. */
	bool is_key_computed(uint index) const;
	bool is_entry_unique(uint index, bool has_null) const;
	bool encode_entry(
		uint index, const uchar *record, const std::string &primary, std::string *to) const;
	int encode_primary(const uchar *record, std::string *to, bool is_new);
	int add_insert(const uchar *record, const std::string &primary);
	int add_entry(
		uint index, const std::string &entry, bool is_unique, const std::string &primary);
	int add_row(const std::string &primary, bool is_insert);
	int add_delete(const uchar *record, const std::string &primary);
	int add_index_update(uint index, const uchar *old_record, const std::string &old_primary,
		const uchar *new_record, const std::string &new_primary);
	int add_update(const uchar *old_record, const std::string &old_primary,
		const uchar *new_record, const std::string &new_primary);
	int begin_batch();
	int write_batch(bool is_posted);
	int find_duplicate(uint32_t change);
	void count_write(int64_t rows);
	int note_counter(const uchar *record);
	bool may_wait_for_more() const;
	bool may_post() const;
	int make_room();
	int write_now_or_later(size_t first_change);
	int commit_copied();

	shared_table *share = nullptr;
	struct session *session = nullptr;
	struct store_handle handle = {};
	std::unique_ptr<row_codec> rows;
	std::vector<std::unique_ptr<key_codec>> keys;
	unsigned lock_flags = 0;
	unsigned skip_flags = 0;
	bool can_restore_primary = false; /* from what an index has of it */

	/* The scan. */
	struct store_cursor cursor = {};
	uint scan_index = MAX_KEY; /* MAX_KEY: rows by their primary key */
	bool is_scan_begun = false, is_scan_backward = false, is_scan_bounded = false;
	bool is_alone = false;	     /* the row is the only one with its key */
	bool is_ahead = false;	     /* the scan's first rows are here, and nobody has read them */
	bool has_read_ahead = false; /* in this statement */
	bounds scan_bounds;
	std::string current_key, current_primary;
	std::string row_data; /* that blobs point into */
	uint64_t writes_seen = 0, *writes = nullptr;

	/* The changes that wait. */
	struct store_batch batch = {};
	std::vector<uint> batch_indexes; /* of each change; MAX_KEY: none that can be a duplicate */
	std::vector<size_t> batch_rows;	 /* the number of each row's first change */
	std::vector<std::string> batch_records; /* each row, if several wait */
	int64_t batch_row_count = 0, copied_rows = 0;
	bool has_new_key = false; /* that the row was not found by */
	bool is_bulk = false, is_copy = false, is_duplicate_expected = false;
	uint duplicate_key = MAX_KEY;
	std::string entry, other_entry, primary, other_primary, row, value;
};

#endif
