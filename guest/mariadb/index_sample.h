/*
 * How many different keys an index has, from looking at it: all of a small one, pieces of a large one.
 */
#ifndef SLUICE_GUEST_MARIADB_INDEX_SAMPLE_H
#define SLUICE_GUEST_MARIADB_INDEX_SAMPLE_H

#include "server.h"

#include "key_codec.h"
#include "store/store_client.h"

struct index_sample {
	uint64_t entries = 0; /* that were looked at */
	std::vector<uint64_t>
		groups; /* for each number of first parts: how many different ones they had */
};

/*
 * @rows: about how many there are
 *
 * Returns 0, or what a call of store_client.h does; -EPROTO: an entry is none of this index.
 */
int index_sample_take(struct store_client *client, const struct store_handle *handle,
	uint32_t space, const key_codec &codec, uint64_t rows, struct index_sample *sample);

#endif
