/*
 * Text as bytes that memcmp orders as its collation does, of no fixed length, and that know where they end.
 *
 * Theory of operation. What is compared is the text's weights (strnxfrm). In a collation that pads, weights go on as those of
 * blanks for ever. So they are cut into segments, the last one padded with blanks, and behind each one byte says how what
 * follows compares with nothing but blanks: less, equal (then it ends), greater. In one that does not pad, and for plain bytes,
 * segments are padded with zeros, and the byte behind says how many of their bytes count, and is one more than can if more follow.
 * Collations of several levels, whose weights can't be cut, keep the full length that the server sorts them with.
 */
#ifndef SLUICE_GUEST_MARIADB_KEY_TEXT_H
#define SLUICE_GUEST_MARIADB_KEY_TEXT_H

#include "server.h"

class key_text
{
public:
	/* @bytes: how many of a column are part of the key */
	key_text(CHARSET_INFO *charset, unsigned bytes);

	/* Append what orders this text; of a longer one, only what is part of the key. */
	void encode(const uchar *text, size_t bytes, std::string *to) const;

	/* How many of these bytes are one text's that encode has appended. Returns 0: none that ends there. */
	size_t encoded_bytes(const char *data, size_t bytes) const;

	/* The most bytes that encode appends. */
	size_t encoded_bytes_max() const;

private:
	enum class order { PADDED, UNPADDED, FIXED };

	size_t weigh(const uchar *text, size_t bytes, std::string *weights) const;
	void append_padded(const std::string &weights, size_t bytes, std::string *to) const;
	int compare_with_blanks(const char *weights, size_t bytes) const;
	size_t significant_bytes(const std::string &weights, size_t bytes) const;

	CHARSET_INFO *charset;
	unsigned key_bytes, key_characters;
	order kind;
	char blank[8]; /* the weight of a blank */
	size_t blank_bytes;
	mutable std::string weights; /* scratch */
};

/* Append bytes so that they end by themselves and memcmp orders them; for collations that don't pad. */
void append_bytes_segmented(const char *data, size_t bytes, std::string *to);

#endif
