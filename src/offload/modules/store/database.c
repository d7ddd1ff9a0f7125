#include "database.h"

#include <errno.h>
#include <sys/resource.h>

#define LOG_FILE_BYTES_MAX (4u << 20)
#define LOG_FILES_MAX 4u
#define BLOOM_BITS_PER_KEY 10.0
#define BLOCK_BYTES (16u << 10)
#define WRITE_BUFFER_BYTES_MAX (64u << 20) /* of one of them */
#define WRITE_BUFFERS 4u
#define FILES_MAX 65536
#define BLOCK_CACHE_TIER 1
#define PERSISTED_TIER 2
#define LOG_LEVEL_FATAL_ONLY 4
#define KEYS_SKIPPED_MAX 1000u /* deleted ones, that a scan passes where it must not wait */

/* ---- what RocksDB says, as statuses ---- */

struct status_text {
	const char *text;
	int outcome;
};

/* What is in a message; the first that fits. See Status::ToString and Env's IOError. */
static const struct status_text status_texts[] = {
	{"No space left", STORE_NO_SPACE},
	{"Disk quota exceeded", STORE_NO_SPACE},
	{"Result incomplete", OUTCOME_WOULD_WAIT},
	{"Space limit reached", STORE_NO_SPACE},
	{"", STORE_IO_ERROR},
};

int database_outcome(char *message, struct explanation *explanation)
{
	const struct status_text *status = status_texts;

	if (!message)
		return STORE_OK;
	while (!strstr(message, status->text))
		status++;
	explain(explanation, status->outcome, "RocksDB: %s", message);
	rocksdb_free(message);
	return status->outcome;
}

/* ---- opening ---- */

static void set_table_options(rocksdb_options_t *options, rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(table, cache);
	rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
	rocksdb_block_based_options_set_filter_policy(
		table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
	/* So that they count as part of the memory that the cache may have. */
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
	rocksdb_options_set_block_based_table_factory(options, table);
	rocksdb_block_based_options_destroy(table);
}

/* Half of what the process may have: others are logs, and files that come and go. */
static int files_max(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > FILES_MAX)
		return FILES_MAX / 2;
	return (int)limit.rlim_cur / 2;
}

size_t database_buffer_bytes(const struct database_config *config)
{
	const size_t bytes = config->write_buffer_bytes / WRITE_BUFFERS;

	return bytes < WRITE_BUFFER_BYTES_MAX ? bytes : WRITE_BUFFER_BYTES_MAX;
}

static rocksdb_options_t *options_of(const struct database_config *config, rocksdb_cache_t *cache)
{
	rocksdb_options_t *options = rocksdb_options_create();

	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_write_buffer_size(options, database_buffer_bytes(config));
	rocksdb_options_set_max_write_buffer_number(options, WRITE_BUFFERS);
	rocksdb_options_set_db_write_buffer_size(options, config->write_buffer_bytes);
	rocksdb_options_set_max_background_jobs(options, (int)config->background_threads);
	/* Files that nobody needs any more are deleted by its own threads, not by who reads last. */
	rocksdb_options_set_avoid_unnecessary_blocking_io(options, 1);
	rocksdb_options_set_compression(options, rocksdb_lz4_compression);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_max_open_files(options, files_max());
	/* What fails is said by statuses. Debian's RocksDB aborts if its log has no room on the device for its second message about that. */
	rocksdb_options_set_info_log_level(options, LOG_LEVEL_FATAL_ONLY);
	rocksdb_options_set_max_log_file_size(options, LOG_FILE_BYTES_MAX);
	rocksdb_options_set_keep_log_file_num(options, LOG_FILES_MAX);
	set_table_options(options, cache);
	return options;
}

/* Started now, they inherit this thread's processors; later, they would get those of whoever needs one first: a poller's. */
static void start_threads(unsigned background_threads)
{
	rocksdb_env_t *env = rocksdb_create_default_env();

	rocksdb_env_set_background_threads(env, (int)background_threads);
	rocksdb_env_set_high_priority_background_threads(env, 1);
	rocksdb_env_destroy(env);
}

static void create_options(struct database *database)
{
	for (int may_wait = 0; may_wait < 2; may_wait++) {
		rocksdb_writeoptions_t *options = rocksdb_writeoptions_create();

		rocksdb_writeoptions_disable_WAL(options, 1);
		rocksdb_writeoptions_set_no_slowdown(options, !may_wait);
		database->write_options[may_wait] = options;
	}
	database->durable_options = rocksdb_readoptions_create();
	rocksdb_readoptions_set_read_tier(database->durable_options, PERSISTED_TIER);
}

static void destroy_options(struct database *database)
{
	for (int may_wait = 0; may_wait < 2; may_wait++)
		rocksdb_writeoptions_destroy(database->write_options[may_wait]);
	rocksdb_readoptions_destroy(database->durable_options);
	rocksdb_options_destroy(database->options);
	rocksdb_cache_destroy(database->cache);
}

int database_open(
	struct database *database, const struct database_config *config, struct error *error)
{
	char *message = NULL;
	int failure;

	*database = (struct database){.cache = rocksdb_cache_create_lru(config->block_cache_bytes)};
	database->options = options_of(config, database->cache);
	create_options(database);
	start_threads(config->background_threads);
	database->db = rocksdb_open(database->options, config->directory, &message);
	if (message) {
		error_set(error, -EIO, "cannot open the database in %s: %s", config->directory,
			message);
		rocksdb_free(message);
		destroy_options(database);
		return -EIO;
	}
	failure = database_open_log(database, config, error);
	if (failure) {
		rocksdb_close(database->db);
		destroy_options(database);
	}
	return failure;
}

/* RocksDB writes what it has in memory, so nothing is left to do when it is opened again. */
void database_close(struct database *database)
{
	rocksdb_close(database->db);
	commit_log_close(&database->log);
	destroy_options(database);
}

/* ---- reading ---- */

rocksdb_readoptions_t *database_read_options(bool may_wait)
{
	rocksdb_readoptions_t *options = rocksdb_readoptions_create();

	rocksdb_readoptions_set_ignore_range_deletions(options, 1);
	if (may_wait)
		return options;
	rocksdb_readoptions_set_read_tier(options, BLOCK_CACHE_TIER);
	rocksdb_readoptions_set_max_skippable_internal_keys(options, KEYS_SKIPPED_MAX);
	return options;
}

/*
 * RocksDB 7.8 says of a key whose file it must not open that the value is empty (facebook/rocksdb#12443). Values that are empty
 * indeed are read where it may wait.
 */
static bool is_doubtful(const rocksdb_readoptions_t *options, const rocksdb_pinnableslice_t *value)
{
	size_t bytes;

	if (rocksdb_readoptions_get_read_tier((rocksdb_readoptions_t *)options) != BLOCK_CACHE_TIER)
		return false;
	(void)rocksdb_pinnableslice_value(value, &bytes);
	return !bytes;
}

int database_get(struct database *database, const rocksdb_readoptions_t *options, struct bytes key,
	rocksdb_pinnableslice_t **value, struct explanation *explanation)
{
	char *message = NULL;

	*value = rocksdb_get_pinned(database->db, options, key.data, key.bytes, &message);
	if (message)
		return database_outcome(message, explanation);
	if (!*value)
		return STORE_NOT_FOUND;
	if (!is_doubtful(options, *value))
		return STORE_OK;
	rocksdb_pinnableslice_destroy(*value);
	*value = NULL;
	return OUTCOME_WOULD_WAIT;
}
