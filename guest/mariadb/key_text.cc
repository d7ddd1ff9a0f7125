#include "key_text.h"

static const size_t padded_segment_bytes =
	12; /* a multiple of each length that the weight of a blank may have */
static const size_t unpadded_segment_bytes = 8;

enum { LESS_THAN_BLANKS = 1, EQUAL_TO_BLANKS, GREATER_THAN_BLANKS };

key_text::key_text(CHARSET_INFO *text_charset, unsigned bytes)
    : charset(text_charset), key_bytes(bytes), key_characters(bytes / text_charset->mbmaxlen),
      kind(order::UNPADDED), blank_bytes(0)
{
	uchar text[8];
	size_t text_bytes;

	if (charset == &my_charset_bin)
		return;
	text_bytes =
		static_cast<size_t>(charset->cset->wc_mb(charset, ' ', text, text + sizeof text));
	blank_bytes = charset->strnxfrm(
		reinterpret_cast<uchar *>(blank), sizeof blank, 1, text, text_bytes, 0);
	if (charset->levels_for_order > 1)
		kind = order::FIXED;
	else if (!(charset->state & MY_CS_NOPAD))
		kind = blank_bytes && padded_segment_bytes % blank_bytes == 0 ? order::PADDED
									      : order::FIXED;
}

/* Returns how many bytes there are; the string may have more. */
size_t key_text::weigh(const uchar *text, size_t bytes, std::string *to) const
{
	size_t room = charset->strnxfrmlen(
		(bytes + 1) * charset->mbmaxlen); /* it counts the bytes that characters may have */

	if (to->size() < room)
		to->resize(room);
	return charset->strnxfrm(
		reinterpret_cast<uchar *>(&(*to)[0]), room, UINT_MAX, text, bytes, 0);
}

int key_text::compare_with_blanks(const char *at, size_t bytes) const
{
	for (size_t i = 0; i < bytes; i++) {
		int difference =
			static_cast<uchar>(at[i]) - static_cast<uchar>(blank[i % blank_bytes]);

		if (difference)
			return difference < 0 ? LESS_THAN_BLANKS : GREATER_THAN_BLANKS;
	}
	return EQUAL_TO_BLANKS;
}

/* How many are left without the blanks at the end. */
size_t key_text::significant_bytes(const std::string &from, size_t bytes) const
{
	while (bytes >= blank_bytes && memcmp(&from[bytes - blank_bytes], blank, blank_bytes) == 0)
		bytes -= blank_bytes;
	return bytes;
}

void key_text::append_padded(const std::string &from, size_t bytes, std::string *to) const
{
	size_t at = 0, part;
	int comparison;

	bytes = significant_bytes(from, bytes);
	do {
		part = std::min(padded_segment_bytes, bytes - at);
		to->append(from, at, part);
		for (size_t i = part; i < padded_segment_bytes; i++)
			to->push_back(blank[i % blank_bytes]);
		at += part;
		comparison =
			at < bytes ? compare_with_blanks(&from[at], bytes - at) : EQUAL_TO_BLANKS;
		to->push_back(static_cast<char>(comparison));
	} while (comparison != EQUAL_TO_BLANKS);
}

void append_bytes_segmented(const char *data, size_t bytes, std::string *to)
{
	size_t at = 0, part;

	do {
		part = std::min(unpadded_segment_bytes, bytes - at);
		to->append(data + at, part);
		to->append(unpadded_segment_bytes - part, '\0');
		at += part;
		to->push_back(static_cast<char>(at < bytes ? unpadded_segment_bytes + 1 : part));
	} while (at < bytes);
}

void key_text::encode(const uchar *text, size_t bytes, std::string *to) const
{
	size_t weight_bytes;

	bytes = std::min<size_t>(bytes, key_bytes);
	if (charset == &my_charset_bin) {
		append_bytes_segmented(reinterpret_cast<const char *>(text), bytes, to);
		return;
	}
	if (charset->mbmaxlen > 1) {
		size_t end = charset->charpos(text, text + bytes, key_characters);

		bytes = std::min(bytes, end);
	}
	if (kind == order::FIXED) {
		size_t start = to->size(), room = charset->strnxfrmlen(key_bytes);

		to->resize(start + room);
		charset->strnxfrm(reinterpret_cast<uchar *>(&(*to)[start]), room,
			key_characters * charset->strxfrm_multiply, text, bytes,
			MY_STRXFRM_PAD_WITH_SPACE | MY_STRXFRM_PAD_TO_MAXLEN);
		return;
	}
	if (kind == order::PADDED)
		bytes = charset->lengthsp(reinterpret_cast<const char *>(text), bytes);
	weight_bytes = weigh(text, bytes, &weights);
	if (kind == order::PADDED)
		append_padded(weights, weight_bytes, to);
	else
		append_bytes_segmented(weights.data(), weight_bytes, to);
}

size_t key_text::encoded_bytes(const char *data, size_t bytes) const
{
	size_t segment = kind == order::PADDED ? padded_segment_bytes : unpadded_segment_bytes;

	if (kind == order::FIXED)
		return bytes < encoded_bytes_max() ? 0 : encoded_bytes_max();
	for (size_t end = segment + 1; end <= bytes; end += segment + 1)
		if (kind == order::PADDED ? data[end - 1] == EQUAL_TO_BLANKS
					  : data[end - 1] <= static_cast<char>(segment))
			return end;
	return 0;
}

size_t key_text::encoded_bytes_max() const
{
	size_t bytes = charset == &my_charset_bin ? key_bytes : charset->strnxfrmlen(key_bytes);

	if (kind == order::FIXED)
		return bytes;
	return kind == order::PADDED
		       ? (bytes / padded_segment_bytes + 2) * (padded_segment_bytes + 1)
		       : (bytes / unpadded_segment_bytes + 2) * (unpadded_segment_bytes + 1);
}
