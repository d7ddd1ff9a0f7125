/* The range of keys that a request names: `lower` and `upper` of its session, keys of the database. */
#ifndef SLUICE_STORE_KEY_RANGE_H
#define SLUICE_STORE_KEY_RANGE_H

#include "call.h"
#include "row_cursor.h"

/* Take it from the request, a struct store_scan. Returns an outcome. */
int range_take(struct call *call);

bool range_is_empty(const struct session *session);

/* @snapshot: or NULL: what is committed now */
void range_open_cursor(struct call *call, struct row_cursor *cursor,
	const rocksdb_snapshot_t *snapshot, bool is_backward);

/*
 * Open a cursor on what is committed now, and go behind so many rows, if there are as many. Close the cursor in any case.
 *
 * @rows: behind how many it went
 *
 * Returns an outcome.
 */
int range_look_at(struct call *call, struct row_cursor *cursor, bool is_backward, uint32_t rows_max,
	uint32_t *rows);

#endif
