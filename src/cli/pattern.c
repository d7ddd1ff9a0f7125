#include "cli/pattern.h"

#include <string.h>

/* The finalizer of MurmurHash3: neighbouring offsets have nothing in common. */
static uint64_t mix(uint64_t value)
{
	value = (value ^ value >> 33) * 0xff51afd7ed558ccdull;
	value = (value ^ value >> 33) * 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

void pattern_fill(void *data, size_t size_bytes, uint64_t offset_bytes)
{
	for (size_t i = 0; i < size_bytes; i += sizeof(uint64_t)) {
		uint64_t word = mix(offset_bytes + i);

		memcpy((uint8_t *)data + i, &word, sizeof word);
	}
}

bool pattern_matches(const void *data, size_t size_bytes, uint64_t offset_bytes)
{
	for (size_t i = 0; i < size_bytes; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const uint8_t *)data + i, sizeof word);
		if (word != mix(offset_bytes + i))
			return false;
	}
	return true;
}
