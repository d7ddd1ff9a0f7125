#include "row_codec.h"

row_codec::row_codec(TABLE *of) : table(of)
{
	for (Field **field = table->field; *field; field++)
		if ((*field)->stored_in_db())
			fields.push_back(*field);
}

static uchar *place(const Field *field, const uchar *record)
{
	return const_cast<uchar *>(record) + field->offset(field->table->record[0]);
}

static bool is_null(const Field *field, const uchar *record)
{
	return field->is_null_in_record(record);
}

static bool is_blob(const Field *field)
{
	return field->flags & BLOB_FLAG;
}

size_t row_codec::encoded_bytes_max(const uchar *record) const
{
	size_t bytes = table->s->null_bytes;

	for (const Field *field : fields) {
		bytes += field->pack_length() + 8;
		if (is_blob(field) && !is_null(field, record)) {
			const Field_blob *blob = static_cast<const Field_blob *>(field);

			bytes += blob->get_length(place(field, record));
		}
	}
	return bytes;
}

void row_codec::encode(const uchar *record, std::string *to) const
{
	size_t start = to->size();
	uchar *at;

	to->resize(start + encoded_bytes_max(record));
	at = reinterpret_cast<uchar *>(&(*to)[start]);
	memcpy(at, record, table->s->null_bytes);
	at += table->s->null_bytes;
	for (Field *field : fields)
		if (!is_null(field, record))
			at = field->pack(at, place(field, record));
	to->resize(static_cast<size_t>(at - reinterpret_cast<uchar *>(&(*to)[0])));
}

/* A blob takes its place for where it is to go, whatever it is told. */
static const uchar *unpack(Field *field, uchar *record, const uchar *at, const uchar *end)
{
	my_ptrdiff_t offset = record - field->table->record[0];
	const uchar *next;

	field->move_field_offset(offset);
	next = field->unpack(field->ptr, at, end, 0);
	field->move_field_offset(-offset);
	return next;
}

int row_codec::decode(const char *data, size_t bytes, uchar *record) const
{
	const uchar *at = reinterpret_cast<const uchar *>(data), *end = at + bytes;
	const uchar *defaults = table->s->default_values;

	if (bytes < table->s->null_bytes)
		return HA_ERR_CRASHED;
	memcpy(record, at, table->s->null_bytes);
	at += table->s->null_bytes;
	for (Field *field : fields) {
		if (is_null(field, record)) {
			memcpy(place(field, record), defaults + field->offset(table->record[0]),
				field->pack_length_in_rec());
			continue;
		}
		at = unpack(field, record, at, end);
		if (!at || at > end)
			return HA_ERR_CRASHED;
	}
	return 0;
}
