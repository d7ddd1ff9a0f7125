#include "crc32c.h"

#include <string.h>

#define POLYNOMIAL_REFLECTED 0x82f63b78u

/* Bit by bit, for a byte; the compiler keeps it short. */
static uint32_t extend_by_byte(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (unsigned bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL_REFLECTED : 0);
	return crc;
}

static uint32_t extend_portably(uint32_t crc, const uint8_t *data, size_t bytes)
{
	while (bytes--)
		crc = extend_by_byte(crc, *data++);
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t extend_by_instruction(
	uint32_t crc, const uint8_t *data, size_t bytes)
{
	uint64_t word;

	for (; bytes >= sizeof word; bytes -= sizeof word, data += sizeof word) {
		memcpy(&word, data, sizeof word);
		crc = (uint32_t)__builtin_ia32_crc32di(crc, word);
	}
	while (bytes--)
		crc = __builtin_ia32_crc32qi(crc, *data++);
	return crc;
}

static uint32_t extend(uint32_t crc, const uint8_t *data, size_t bytes)
{
	return __builtin_cpu_supports("sse4.2") ? extend_by_instruction(crc, data, bytes)
						: extend_portably(crc, data, bytes);
}
#else
static uint32_t extend(uint32_t crc, const uint8_t *data, size_t bytes)
{
	return extend_portably(crc, data, bytes);
}
#endif

uint32_t crc32c_extend(uint32_t before, const void *data, size_t bytes)
{
	return ~extend(~before, data, bytes);
}
