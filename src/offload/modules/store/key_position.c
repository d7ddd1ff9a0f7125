#include "key_position.h"

static double number_at(struct bytes key, size_t at)
{
	double number = 0;

	for (size_t i = at; i < at + 8; i++)
		number = number * 256 + (i < key.bytes ? (unsigned char)key.data[i] : 0);
	return number;
}

static size_t common_bytes(struct bytes one, struct bytes other)
{
	size_t bytes = 0;

	while (bytes < one.bytes && bytes < other.bytes && one.data[bytes] == other.data[bytes])
		bytes++;
	return bytes;
}

double key_position(struct bytes first, struct bytes last, struct bytes key)
{
	const size_t common = common_bytes(first, last);
	const double lower = number_at(first, common), upper = number_at(last, common);

	if (bytes_compare(key, first) <= 0)
		return 0;
	if (bytes_compare(key, last) >= 0)
		return 1;
	return upper > lower ? (number_at(key, common) - lower) / (upper - lower) : 0;
}
