#include "table_statistics.h"

static const uint32_t version = 1;

template <typename number> static void put(std::string *to, number value)
{
	to->append(reinterpret_cast<const char *>(&value), sizeof value);
}

template <typename number> static bool take(const char **at, const char *end, number *value)
{
	if (static_cast<size_t>(end - *at) < sizeof *value)
		return false;
	memcpy(value, *at, sizeof *value);
	*at += sizeof *value;
	return true;
}

std::string table_statistics::encode() const
{
	std::string text;

	put(&text, version);
	put(&text, static_cast<uint32_t>(indexes.size()));
	for (const index_sample &index : indexes) {
		put(&text, static_cast<uint32_t>(index.groups.size()));
		put(&text, index.entries);
		for (uint64_t groups : index.groups)
			put(&text, groups);
	}
	return text;
}

static bool take_index(const char **at, const char *end, struct index_sample *index)
{
	uint32_t parts;

	if (!take(at, end, &parts) || parts > MAX_REF_PARTS || !take(at, end, &index->entries))
		return false;
	index->groups.resize(parts);
	for (uint64_t &groups : index->groups)
		if (!take(at, end, &groups))
			return false;
	return true;
}

void table_statistics::decode(const void *data, size_t bytes)
{
	const char *at = static_cast<const char *>(data), *end = at + bytes;
	uint32_t number, count;

	indexes.clear();
	if (!take(&at, end, &number) || number != version || !take(&at, end, &count) ||
		count > MAX_KEY)
		return;
	indexes.resize(count);
	for (index_sample &index : indexes) {
		if (!take_index(&at, end, &index)) {
			indexes.clear();
			return;
		}
	}
}

/* Not those of a table that had other indexes. */
bool table_statistics::fits(const TABLE_SHARE *table) const
{
	if (indexes.size() != table->keys)
		return false;
	for (uint i = 0; i < table->keys; i++)
		if (indexes[i].groups.size() != table->key_info[i].user_defined_key_parts)
			return false;
	return true;
}

double table_statistics::rows_per_key(const TABLE_SHARE *table, uint index, uint parts) const
{
	uint64_t groups;

	if (!fits(table) || (groups = indexes[index].groups[parts - 1]) == 0)
		return 0;
	return static_cast<double>(indexes[index].entries) / static_cast<double>(groups);
}
