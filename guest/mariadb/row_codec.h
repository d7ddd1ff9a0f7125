/*
 * Rows as bytes: the record's bits that say what is NULL, then each column that is stored and not NULL, as the server packs it.
 */
#ifndef SLUICE_GUEST_MARIADB_ROW_CODEC_H
#define SLUICE_GUEST_MARIADB_ROW_CODEC_H

#include "server.h"

class row_codec
{
public:
	explicit row_codec(TABLE *table);

	void encode(const uchar *record, std::string *to) const;

	/*
	 * Blobs in the record point into `data`.
	 *
	 * Returns 0, or HA_ERR_CRASHED if that is no row of this table.
	 */
	int decode(const char *data, size_t bytes, uchar *record) const;

	bool has_blobs() const
	{
		return table->s->blob_fields != 0;
	}

private:
	size_t encoded_bytes_max(const uchar *record) const;

	TABLE *table;
	std::vector<Field *> fields; /* that are stored */
};

#endif
