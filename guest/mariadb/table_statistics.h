/*
 * What ANALYZE TABLE has found out about a table's indexes. It is kept at the module, as the table's metadata: little-endian numbers, a u32
 * of version, a u32 of indexes, and of each index a u32 of parts, a u64 of entries looked at, and a u64 of groups per part.
 */
#ifndef SLUICE_GUEST_MARIADB_TABLE_STATISTICS_H
#define SLUICE_GUEST_MARIADB_TABLE_STATISTICS_H

#include "server.h"

#include "index_sample.h"

class table_statistics
{
public:
	void add(const struct index_sample &sample)
	{
		indexes.push_back(sample);
	}

	std::string encode() const;

	/* Anything that does not hold together is no statistics. */
	void decode(const void *data, size_t bytes);

	/* How many rows have the same values in the first parts of an index; 0: not known. */
	double rows_per_key(const TABLE_SHARE *table, uint index, uint parts) const;

private:
	bool fits(const TABLE_SHARE *table) const;

	std::vector<index_sample> indexes;
};

#endif
