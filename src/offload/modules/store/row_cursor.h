/*
 * The pairs in a range, as a transaction sees them: what is committed, overlaid with what it has written.
 */
#ifndef SLUICE_STORE_ROW_CURSOR_H
#define SLUICE_STORE_ROW_CURSOR_H

#include "database.h"
#include "write_set.h"

/* What to go through. It is kept, and so is what it points to. */
struct row_range {
	const rocksdb_readoptions_t *options; /* with these bounds set, and what is to be read */
	const struct write_set *writes;	      /* or NULL */
	struct bytes lower, upper;
	bool is_backward;
};

struct row_cursor {
	rocksdb_iterator_t *committed;
	struct row_range range;
	const struct write_node *written; /* or NULL */
	/* Where it stands: */
	bool is_valid;
	bool is_written; /* the pair is the transaction's own */
	struct bytes key, value;
};

/*
 * Begin at the first pair. Check row_cursor_error once it is not valid any more, or not needed. Call row_cursor_close.
 */
void row_cursor_open(struct row_cursor *cursor, rocksdb_t *db, const struct row_range *range);

void row_cursor_next(struct row_cursor *cursor);

/* Why it has ended: an outcome. */
int row_cursor_error(const struct row_cursor *cursor, struct explanation *explanation);

void row_cursor_close(struct row_cursor *cursor);

#endif
