#include "key_codec.h"

static bool is_text(const Field *field)
{
	const Type_handler *type = field->type_handler();

	return type == &type_handler_string || type == &type_handler_varchar ||
	       type == &type_handler_var_string || type == &type_handler_blob ||
	       type == &type_handler_tiny_blob || type == &type_handler_medium_blob ||
	       type == &type_handler_long_blob;
}

/* What sort_string makes of them loses nothing. */
key_codec::kind key_codec::restorable_kind(const Field *field)
{
	static const struct {
		enum_field_types type;
		kind how;
	} kinds[] = {
		{MYSQL_TYPE_TINY, kind::INTEGER},
		{MYSQL_TYPE_SHORT, kind::INTEGER},
		{MYSQL_TYPE_INT24, kind::INTEGER},
		{MYSQL_TYPE_LONG, kind::INTEGER},
		{MYSQL_TYPE_LONGLONG, kind::INTEGER},
		{MYSQL_TYPE_YEAR, kind::REVERSED},
		{MYSQL_TYPE_ENUM, kind::REVERSED},
		{MYSQL_TYPE_SET, kind::REVERSED},
		{MYSQL_TYPE_NEWDATE, kind::REVERSED},
		{MYSQL_TYPE_NEWDECIMAL, kind::COPIED},
		{MYSQL_TYPE_TIME2, kind::COPIED},
		{MYSQL_TYPE_DATETIME2, kind::COPIED},
		{MYSQL_TYPE_TIMESTAMP2, kind::COPIED},
	};

	for (const auto &known : kinds)
		if (known.type == field->real_type())
			return known.how;
	return kind::SORTED;
}

bool key_codec::is_restorable(const Field *field)
{
	return restorable_kind(field) != kind::SORTED;
}

key_codec::part key_codec::make_part(KEY_PART_INFO *info)
{
	part made = {info, restorable_kind(info->field), nullptr};
	bool has_length = info->key_part_flag & (HA_BLOB_PART | HA_VAR_LENGTH_PART);

	if (has_length || is_text(info->field)) {
		made.how = kind::TEXT;
		made.text = std::make_unique<key_text>(info->field->charset(), info->length);
	} else if (info->field->real_type() == MYSQL_TYPE_BIT) {
		made.how = kind::IMAGE;
	}
	return made;
}

key_codec::key_codec(KEY *of) : key(of), image(of->key_length + 16)
{
	for (unsigned i = 0; i < key->user_defined_key_parts; i++)
		key_parts.push_back(make_part(&key->key_part[i]));
}

void key_codec::encode_value(const part &one, const uchar *value, std::string *to)
{
	Field *field = one.info->field;
	uchar *place = field->ptr;
	size_t start = to->size();

	switch (one.how) {
	case kind::TEXT:
		if (one.info->key_part_flag & (HA_BLOB_PART | HA_VAR_LENGTH_PART))
			one.text->encode(value + HA_KEY_BLOB_LENGTH, uint2korr(value), to);
		else
			one.text->encode(value, one.info->length, to);
		break;
	case kind::IMAGE:
		to->append(reinterpret_cast<const char *>(value), one.info->length);
		break;
	default:
		to->resize(start + field->sort_length());
		field->ptr = const_cast<uchar *>(
			value); /* sort_string only reads it, and only from there */
		field->sort_string(reinterpret_cast<uchar *>(&(*to)[start]), field->sort_length());
		field->ptr = place;
	}
}

/* Returns where the next part is. */
const uchar *key_codec::encode_part(
	const part &one, const uchar *search, std::string *to, bool *is_null) const
{
	size_t start = to->size();
	const uchar *value = search + (one.info->null_bit ? 1 : 0);
	bool has_value = value == search || !*search;

	if (one.info->null_bit)
		to->push_back(has_value ? 1 : 0);
	if (has_value)
		encode_value(one, value, to);
	else
		*is_null = true;
	if (one.info->key_part_flag & HA_REVERSE_SORT)
		for (size_t i = start; i < to->size(); i++)
			(*to)[i] = static_cast<char>(~(*to)[i]);
	return search + one.info->store_length;
}

/* The server copies a column of bits from where its field stands, whichever record it is told; so the field is moved for it. */
static void copy_bits(const KEY_PART_INFO *info, const uchar *record, uchar *to)
{
	Field *field = info->field;
	my_ptrdiff_t offset = record - field->table->record[0];

	field->move_field_offset(offset);
	field->get_key_image(to + (info->null_bit ? 1 : 0), info->length, field->ptr, Field::itRAW);
	field->move_field_offset(-offset);
}

bool key_codec::encode_row(const uchar *record, std::string *to) const
{
	uchar *at = image.data();
	bool is_null = false;

	key_copy(at, record, key, key->key_length, false);
	for (const part &one : key_parts) {
		if (one.how == kind::IMAGE)
			copy_bits(one.info, record, at);
		encode_part(one, at, to, &is_null);
		at += one.info->store_length;
	}
	return is_null;
}

void key_codec::encode_search(const uchar *search, key_part_map parts, std::string *to) const
{
	bool is_null = false;

	for (const part &one : key_parts) {
		if (!(parts & 1))
			break;
		search = encode_part(one, search, to, &is_null);
		parts >>= 1;
	}
}

bool key_codec::can_restore() const
{
	for (const part &one : key_parts)
		if (!is_restorable(one.info->field))
			return false;
	return true;
}

/* What sort_string has done to it: the most significant byte first, with the sign's bit turned; some are kept so in a record, too. */
void key_codec::restore_value(const part &one, const uchar *from, uchar *record)
{
	Field *field = one.info->field;
	uchar *to = record + field->offset(field->table->record[0]);
	uchar mask = one.info->key_part_flag & HA_REVERSE_SORT ? 0xff : 0;
	unsigned bytes = field->pack_length();

	for (unsigned i = 0; i < bytes; i++)
		to[one.how == kind::COPIED ? i : bytes - 1 - i] = from[i] ^ mask;
	if (one.how == kind::INTEGER && !field->is_unsigned())
		to[bytes - 1] ^= 0x80;
}

size_t key_codec::restore(const char *data, size_t bytes, uchar *record) const
{
	const uchar *at = reinterpret_cast<const uchar *>(data), *end = at + bytes;

	for (const part &one : key_parts) {
		Field *field = one.info->field;
		my_ptrdiff_t offset = record - field->table->record[0];
		uchar null_mark = one.info->key_part_flag & HA_REVERSE_SORT ? 0xff : 0;

		if (one.info->null_bit) {
			if (at == end)
				return 0;
			if (*at++ == null_mark) {
				field->set_null(offset);
				continue;
			}
			field->set_notnull(offset);
		}
		if (end - at < static_cast<ptrdiff_t>(field->pack_length()))
			return 0;
		restore_value(one, at, record);
		at += field->pack_length();
	}
	return static_cast<size_t>(at - reinterpret_cast<const uchar *>(data));
}

/* Of a part that begins the data. Returns 0: it does not fit in there. */
size_t key_codec::part_bytes(const part &one, const char *data, size_t bytes)
{
	size_t mark_bytes = one.info->null_bit ? 1 : 0, value_bytes;

	if (bytes < mark_bytes)
		return 0;
	if (mark_bytes && *data == 0)
		return mark_bytes;
	if (one.how == kind::TEXT)
		value_bytes = one.text->encoded_bytes(data + mark_bytes, bytes - mark_bytes);
	else
		value_bytes =
			one.how == kind::IMAGE ? one.info->length : one.info->field->sort_length();
	return value_bytes && value_bytes <= bytes - mark_bytes ? mark_bytes + value_bytes : 0;
}

bool key_codec::find_ends(const char *data, size_t bytes, size_t *ends) const
{
	size_t at = 0;

	for (const part &one : key_parts) {
		std::string inverted;
		const char *from = data + at;
		size_t found;

		if (one.info->key_part_flag & HA_REVERSE_SORT) {
			for (size_t i = at; i < bytes; i++)
				inverted.push_back(static_cast<char>(~data[i]));
			from = inverted.data();
		}
		found = part_bytes(one, from, bytes - at);
		if (found == 0)
			return false;
		*ends++ = at += found;
	}
	return true;
}

size_t key_codec::encoded_bytes_max() const
{
	size_t bytes = 0;

	for (const part &one : key_parts)
		bytes += 1 + (one.how == kind::TEXT ? one.text->encoded_bytes_max()
						    : std::max<size_t>(one.info->length,
							      one.info->field->sort_length()));
	return bytes;
}

std::string key_behind(std::string key)
{
	while (!key.empty() && static_cast<uchar>(key.back()) == 0xff)
		key.pop_back();
	if (!key.empty())
		key.back()++;
	return key;
}
