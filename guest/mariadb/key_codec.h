/*
 * Keys of an index as bytes that memcmp orders as the server does.
 *
 * Each part: a byte, 0 for NULL and 1 for a value, if the column may be NULL; then the value: text as key_text.h says, everything
 * else as the server's sort_string, whose length is the column's. So no key is the beginning of another one, and several may follow
 * each other. A part in descending order has all its bytes inverted.
 */
#ifndef SLUICE_GUEST_MARIADB_KEY_CODEC_H
#define SLUICE_GUEST_MARIADB_KEY_CODEC_H

#include "server.h"

#include <memory>

#include "key_text.h"

class key_codec
{
public:
	explicit key_codec(KEY *key);

	/*
	 * Append the key of a row.
	 *
	 * Returns whether a part is NULL: then it is no duplicate of an equal one.
	 */
	bool encode_row(const uchar *record, std::string *to) const;

	/* Append the first parts, which `parts` has bits for, of a key in the server's format for searching. */
	void encode_search(const uchar *search, key_part_map parts, std::string *to) const;

	/* Whether a column can be had back from a key that has all of it: numbers and times can, text and floating point cannot. */
	static bool is_restorable(const Field *field);

	/* Whether all columns can be had back from a key. */
	bool can_restore() const;

	/* Put the columns of a key into a record. Returns how many bytes of it were read; 0: it is not one of this index. */
	size_t restore(const char *data, size_t bytes, uchar *record) const;

	/*
	 * Where each of its parts() parts ends.
	 *
	 * Returns false: it is not a key of this index.
	 */
	bool find_ends(const char *data, size_t bytes, size_t *ends) const;

	size_t encoded_bytes_max() const;

	unsigned parts() const
	{
		return key->user_defined_key_parts;
	}

private:
	enum class kind { INTEGER, REVERSED, COPIED, SORTED, IMAGE, TEXT };

	struct part {
		KEY_PART_INFO *info;
		kind how;
		std::unique_ptr<key_text> text;
	};

	static part make_part(KEY_PART_INFO *info);
	const uchar *encode_part(
		const part &one, const uchar *search, std::string *to, bool *is_null) const;
	static void encode_value(const part &one, const uchar *value, std::string *to);
	static kind restorable_kind(const Field *field);
	static void restore_value(const part &one, const uchar *from, uchar *record);
	static size_t part_bytes(const part &one, const char *data, size_t bytes);

	KEY *key;
	std::vector<part> key_parts;
	mutable std::vector<uchar> image; /* of a row's key in the server's format: scratch */
};

/* The first key behind all that begin with this one; empty: there is none. */
std::string key_behind(std::string key);

#endif
