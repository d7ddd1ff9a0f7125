#include "ha_sluice.h"

#include "hidden_keys.h"
#include "variables.h"

ha_sluice::ha_sluice(handlerton *engine, TABLE_SHARE *of) : handler(engine, of)
{
}

ha_sluice::~ha_sluice()
{
	store_cursor_end(&cursor);
	store_batch_end(&batch);
}

/* ---- What it can do. ---- */

handler::Table_flags ha_sluice::table_flags() const
{
	return HA_REC_NOT_IN_SEQ | HA_NULL_IN_KEY | HA_CAN_INDEX_BLOBS | HA_CAN_SQL_HANDLER |
	       HA_CAN_BIT_FIELD | HA_BINLOG_ROW_CAPABLE | HA_BINLOG_STMT_CAPABLE |
	       HA_CAN_VIRTUAL_COLUMNS | HA_CAN_GEOMETRY | HA_PRIMARY_KEY_IN_READ_INDEX |
	       HA_REQUIRES_KEY_COLUMNS_FOR_DELETE | HA_TABLE_SCAN_ON_INDEX | HA_CRASH_SAFE |
	       HA_CAN_SKIP_LOCKED | HA_CAN_ONLINE_BACKUPS;
}

static bool is_restorable(const KEY *key, uint parts)
{
	for (uint part = 0; part < parts; part++)
		if (!key_codec::is_restorable(key->key_part[part].field))
			return false;
	return true;
}

/*
 * An index is enough for those of its columns that can be had back from a key, if the primary key can, too, as the server takes that
 * for granted. The primary key's is always, for the rows are in it.
 */
ulong ha_sluice::index_flags(uint index, uint part, bool is_of_all_parts) const
{
	ulong flags = HA_READ_NEXT | HA_READ_PREV | HA_READ_ORDER | HA_READ_RANGE;
	const KEY *key = &table_share->key_info[index];

	if (index == table_share->primary_key)
		return flags | HA_KEYREAD_ONLY | HA_CLUSTERED_INDEX;
	if (has_primary_key()) {
		const KEY *primary_key = &table_share->key_info[table_share->primary_key];

		if (!is_restorable(primary_key, primary_key->user_defined_key_parts))
			return flags;
	}
	if (is_of_all_parts ? is_restorable(key, std::min(part + 1, key->user_defined_key_parts))
			    : key_codec::is_restorable(key->key_part[part].field))
		flags |= HA_KEYREAD_ONLY;
	return flags;
}

uint ha_sluice::max_supported_keys() const
{
	return std::min<uint>(MAX_KEY, STORE_SPACES_MAX - 1);
}

uint ha_sluice::max_supported_key_length() const
{
	return 3072;
}

uint ha_sluice::max_supported_key_part_length() const
{
	return 3072;
}

const char *ha_sluice::index_type(uint)
{
	return "BTREE";
}

/* Another connection's snapshot may differ from what the query cache holds. */
uint8 ha_sluice::table_cache_type()
{
	return HA_CACHE_TBL_NOCACHE;
}

/* ---- Opening. ---- */

shared_table *ha_sluice::get_share(const char *path)
{
	shared_table *found;

	lock_shared_ha_data();
	found = static_cast<shared_table *>(get_ha_share_ptr());
	if (!found && (found = new (std::nothrow) shared_table(path)))
		set_ha_share_ptr(found);
	unlock_shared_ha_data();
	return found;
}

int ha_sluice::open(const char *path, int, uint)
{
	THD *thd = ha_thd();
	int error;

	share = get_share(path);
	session = session_of(thd);
	if (!share || !session)
		return HA_ERR_OUT_OF_MEM;
	if ((error = share->open(session, &handle)))
		return error;
	rows = std::make_unique<row_codec>(table);
	for (uint index = 0; index < table_share->keys; index++)
		keys.push_back(std::make_unique<key_codec>(&table->key_info[index]));
	ref_length = 2 + HIDDEN_KEY_BYTES;
	can_restore_primary = true;
	if (has_primary_key()) {
		const key_codec &primary_codec = *keys[table_share->primary_key];

		ref_length = static_cast<uint>(2 + primary_codec.encoded_bytes_max());
		can_restore_primary = primary_codec.can_restore();
		key_used_on_scan = table_share->primary_key;
	}
	return info(HA_STATUS_NO_LOCK | HA_STATUS_VARIABLE | HA_STATUS_CONST);
}

int ha_sluice::close()
{
	if (session && session->bulk == this)
		session->bulk = nullptr;
	keys.clear();
	rows.reset();
	return 0;
}

/* ---- Locks. ---- */

static bool is_writing(enum thr_lock_type type)
{
	return type >= TL_WRITE_ALLOW_WRITE;
}

static bool writes_what_it_reads(THD *thd)
{
	switch (thd_sql_command(thd)) {
	case SQLCOM_INSERT:
	case SQLCOM_INSERT_SELECT:
	case SQLCOM_REPLACE:
	case SQLCOM_REPLACE_SELECT:
	case SQLCOM_LOAD:
	case SQLCOM_UPDATE:
	case SQLCOM_UPDATE_MULTI:
	case SQLCOM_DELETE:
	case SQLCOM_DELETE_MULTI:
	case SQLCOM_CREATE_TABLE:
		return true;
	default:
		return false;
	}
}

/*
 * Reads whose result is written are of what is there now, which stays: what is copied and then deleted is the same, and what replays the
 * statement elsewhere finds the same rows. READ COMMITTED promises neither.
 */
static bool is_read_for_write(THD *thd)
{
	return thd_tx_isolation(thd) >= ISO_REPEATABLE_READ && writes_what_it_reads(thd);
}

static unsigned lock_flags_of(THD *thd, enum thr_lock_type type)
{
	if (is_writing(type))
		return STORE_EXCLUSIVE;
	if (type == TL_READ_WITH_SHARED_LOCKS || type == TL_READ_SKIP_LOCKED ||
		is_read_for_write(thd))
		return STORE_SHARED;
	return 0;
}

/* None of the server's own: rows are locked by the module, and LOCK TABLES by what the server has for engines without them. */
uint ha_sluice::lock_count() const
{
	return 0;
}

THR_LOCK_DATA **ha_sluice::store_lock(THD *thd, THR_LOCK_DATA **to, enum thr_lock_type type)
{
	if (type == TL_IGNORE)
		return to;
	lock_flags = lock_flags_of(thd, type);
	skip_flags =
		type == TL_READ_SKIP_LOCKED || type == TL_WRITE_SKIP_LOCKED ? STORE_SKIP_LOCKED : 0;
	return to;
}

/* A transaction that is one SELECT is as serial as its snapshot. */
static bool is_read_to_stay(THD *thd)
{
	return thd_tx_isolation(thd) == ISO_SERIALIZABLE &&
	       (thd_test_options(thd, OPTION_NOT_AUTOCOMMIT | OPTION_BEGIN) ||
		       writes_what_it_reads(thd));
}

/*
 * From REPEATABLE READ on, a statement that locks the rows it finds keeps others from inserting what it would have found, too: who comes from
 * InnoDB counts on that there. Rows that are left out because others have them are no answer that could stay the same.
 */
unsigned ha_sluice::range_flag(THD *thd) const
{
	return lock_flags && !skip_flags && thd_tx_isolation(thd) >= ISO_REPEATABLE_READ
		       ? STORE_RANGE
		       : 0;
}

int ha_sluice::enter(THD *thd)
{
	int error;

	session = session_of(thd);
	if (!session)
		return HA_ERR_OUT_OF_MEM;
	if ((error = session_enter(session)) || (error = share->open(session, &handle)))
		return error;
	writes = &session->writes[share];
	if (!lock_flags && is_read_to_stay(thd))
		lock_flags = STORE_SHARED;
	lock_flags |= range_flag(thd);
	session->is_locking |= lock_flags != 0;
	return 0;
}

int ha_sluice::external_lock(THD *thd, int type)
{
	if (type == F_UNLCK) {
		lock_flags = skip_flags = 0;
		return 0;
	}
	if (type == F_WRLCK)
		lock_flags = STORE_EXCLUSIVE;
	return enter(thd);
}

int ha_sluice::start_stmt(THD *thd, thr_lock_type type)
{
	lock_flags = lock_flags_of(thd, type);
	return enter(thd);
}

int ha_sluice::extra(enum ha_extra_function operation)
{
	switch (operation) {
	case HA_EXTRA_IGNORE_DUP_KEY:
	case HA_EXTRA_WRITE_CAN_REPLACE:
	case HA_EXTRA_INSERT_WITH_UPDATE:
		is_duplicate_expected = true;
		break;
	case HA_EXTRA_NO_IGNORE_DUP_KEY:
	case HA_EXTRA_WRITE_CANNOT_REPLACE:
		is_duplicate_expected = false;
		break;
	default:
		break;
	}
	return 0;
}

int ha_sluice::reset()
{
	is_duplicate_expected = false;
	is_ahead = has_read_ahead = false;
	return 0;
}

/* Also of a handler that never was open, as DROP TABLE has. */
bool ha_sluice::get_error_message(int, String *text)
{
	const struct session *of = session_of(ha_thd());

	if (of && !of->failure.empty())
		text->copy(of->failure.data(), of->failure.size(), system_charset_info);
	return false;
}
