/*
 * The pairs in a range, as a transaction sees them: what is committed, overlaid with what it has written.
 */
#ifndef SLUICE_STORE_ROW_CURSOR_H
#define SLUICE_STORE_ROW_CURSOR_H

#include "database.h"
#include "write_set.h"

struct row_cursor {
	rocksdb_iterator_t *committed;
	const struct write_set *writes; /* or NULL */
	const struct write_node *written;
	struct bytes lower, upper;
	bool is_backward;
	/* Where it stands: */
	bool is_valid;
	bool is_written; /* the pair is the transaction's own */
	struct bytes key, value;
};

/*
 * Begin at the first pair.
 *
 * @options: with these bounds set, and what is to be read; kept, like the bounds
 *
 * Check row_cursor_error once it is not valid any more. Call row_cursor_close.
 */
void row_cursor_open(struct row_cursor *cursor, rocksdb_t *db, const rocksdb_readoptions_t *options,
	const struct write_set *writes, struct bytes lower, struct bytes upper, bool is_backward);

void row_cursor_next(struct row_cursor *cursor);

/* Why it has ended: an outcome. */
int row_cursor_error(const struct row_cursor *cursor, struct explanation *explanation);

void row_cursor_close(struct row_cursor *cursor);

#endif
