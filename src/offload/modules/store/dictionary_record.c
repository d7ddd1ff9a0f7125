#include "dictionary_record.h"

#include <errno.h>

struct record_key record_key(enum record_kind kind)
{
	struct record_key key = {.bytes = SPACE_BYTES + 1};

	space_write(key.data, 0);
	key.data[SPACE_BYTES] = (char)kind;
	return key;
}

struct record_key record_key_number(enum record_kind kind, uint32_t number)
{
	struct record_key key = record_key(kind);

	space_write(key.data + key.bytes, number);
	key.bytes += SPACE_BYTES;
	return key;
}

struct record_key record_key_bytes(enum record_kind kind, struct bytes bytes)
{
	struct record_key key = record_key(kind);

	memcpy(key.data + key.bytes, bytes.data, bytes.bytes);
	key.bytes += bytes.bytes;
	return key;
}

void record_put(rocksdb_writebatch_t *batch, struct record_key key, const void *value, size_t bytes)
{
	rocksdb_writebatch_put(batch, key.data, key.bytes, value, bytes);
}

void record_delete(rocksdb_writebatch_t *batch, struct record_key key)
{
	rocksdb_writebatch_delete(batch, key.data, key.bytes);
}

static int visit_all(rocksdb_iterator_t *iterator, struct record_key prefix,
	int (*visit)(void *context, struct bytes name, struct bytes value, struct error *error),
	void *context, struct error *error)
{
	struct bytes name, value;
	char *message = NULL;
	int failure = 0;

	for (rocksdb_iter_seek(iterator, prefix.data, prefix.bytes);
		!failure && rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
		name.data = rocksdb_iter_key(iterator, &name.bytes);
		if (name.bytes < prefix.bytes || memcmp(name.data, prefix.data, prefix.bytes) != 0)
			return 0;
		name.data += prefix.bytes;
		name.bytes -= prefix.bytes;
		value.data = rocksdb_iter_value(iterator, &value.bytes);
		failure = visit(context, name, value, error);
	}
	rocksdb_iter_get_error(iterator, &message);
	if (message) {
		failure = error_set(error, -EIO, "cannot read the database: %s", message);
		rocksdb_free(message);
	}
	return failure;
}

int record_each(struct database *database, enum record_kind kind,
	int (*visit)(void *context, struct bytes name, struct bytes value, struct error *error),
	void *context, struct error *error)
{
	rocksdb_readoptions_t *options = database_read_options(true);
	rocksdb_iterator_t *iterator = rocksdb_create_iterator(database->db, options);
	const int failure = visit_all(iterator, record_key(kind), visit, context, error);

	rocksdb_iter_destroy(iterator);
	rocksdb_readoptions_destroy(options);
	return failure;
}
