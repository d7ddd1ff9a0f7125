/*
 * Theory of operation. Keys that begin with the same parts are neighbours, so groups are counted by comparing each key with the one
 * before it. Of a large index, runs of keys are read that begin at equal distances between the first key and the last, as far as
 * the bytes in which those two differ tell distances.
 */
#include "index_sample.h"

static const uint64_t runs = 64, run_entries = 8192;

struct sampler {
	struct store_client *client;
	const struct store_handle *handle;
	uint32_t space;
	const key_codec *codec;
	struct index_sample *sample;
	std::string last; /* that was looked at */
};

static size_t common_bytes(const std::string &one, const char *other, size_t other_bytes)
{
	size_t bytes = 0, most = std::min(one.size(), other_bytes);

	while (bytes < most && one[bytes] == other[bytes])
		bytes++;
	return bytes;
}

static bool add(struct sampler *of, const char *key, size_t bytes)
{
	std::vector<size_t> ends(of->codec->parts());
	size_t common = of->last.empty() ? 0 : common_bytes(of->last, key, bytes);

	if (!of->codec->find_ends(key, bytes, ends.data()))
		return false;
	of->sample->entries++;
	for (size_t i = 0; i < ends.size(); i++)
		if (common < ends[i])
			of->sample->groups[i]++;
	of->last.assign(key, bytes);
	return true;
}

static int scan(const struct sampler *of, const std::string &lower, unsigned flags,
	struct store_cursor *cursor)
{
	struct store_range range = {};

	range.handle = *of->handle;
	range.space = of->space;
	range.flags = flags | STORE_KEYS_ONLY | STORE_DIRTY;
	range.lower = {lower.data(), lower.size()};
	range.rows_first = flags & STORE_BACKWARD ? 1 : 0;
	return store_cursor_begin(cursor, &range);
}

/* Returns STORE_NOT_FOUND at the end of the index. */
static int look_at_run(struct sampler *of, const std::string &lower, uint64_t entries_max,
	struct store_cursor *cursor)
{
	struct store_cursor_row found;
	int status = scan(of, lower, 0, cursor);

	for (uint64_t i = 0; i < entries_max && !status; i++) {
		status = store_cursor_next(cursor, of->client, &found);
		if (!status && !add(of, static_cast<const char *>(found.key.data), found.key.bytes))
			status = -EPROTO;
	}
	return status;
}

/* The first or the last key. */
static int find_end(
	struct sampler *of, unsigned flags, struct store_cursor *cursor, std::string *key)
{
	struct store_cursor_row found;
	int status = scan(of, std::string(), flags, cursor);

	if (!status)
		status = store_cursor_next(cursor, of->client, &found);
	if (!status)
		key->assign(static_cast<const char *>(found.key.data), found.key.bytes);
	return status;
}

static uint64_t number_at(const std::string &key, size_t at)
{
	uint64_t number = 0;

	for (size_t i = at; i < at + sizeof number; i++)
		number = number << 8 | (i < key.size() ? static_cast<uchar>(key[i]) : 0);
	return number;
}

static std::string key_between(const std::string &first, const std::string &last, uint64_t run)
{
	size_t common = common_bytes(first, last.data(), last.size());
	uint64_t lower = number_at(first, common), upper = number_at(last, common);
	uint64_t number = lower + (upper - lower) / runs * run;
	std::string key(first, 0, common);

	for (int shift = 56; shift >= 0; shift -= 8)
		key.push_back(static_cast<char>(number >> shift));
	return key;
}

static int look_at_runs(struct sampler *of, struct store_cursor *cursor)
{
	std::string first, last, lower;
	int status = find_end(of, 0, cursor, &first);

	if (!status)
		status = find_end(of, STORE_BACKWARD, cursor, &last);
	for (uint64_t run = 0; run < runs && !status; run++) {
		lower = run ? key_between(first, last, run) : first;
		if (lower > of->last)
			of->last.clear();
		else
			lower = of->last + '\0';
		status = look_at_run(of, lower, run_entries, cursor);
	}
	return status;
}

int index_sample_take(struct store_client *client, const struct store_handle *handle,
	uint32_t space, const key_codec &codec, uint64_t rows, struct index_sample *sample)
{
	struct sampler of = {client, handle, space, &codec, sample, std::string()};
	struct store_cursor cursor = {};
	int status;

	sample->entries = 0;
	sample->groups.assign(codec.parts(), 0);
	status = rows <= runs * run_entries ? look_at_run(&of, std::string(), UINT64_MAX, &cursor)
					    : look_at_runs(&of, &cursor);
	store_cursor_end(&cursor);
	return status == STORE_NOT_FOUND ? 0 : status;
}
