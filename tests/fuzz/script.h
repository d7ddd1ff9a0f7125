/* A fuzzer's input as a script: bytes are taken as they are needed, and zeroes once it is used up. */
#ifndef SLUICE_TESTS_SCRIPT_H
#define SLUICE_TESTS_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

struct script {
	const uint8_t *bytes;
	size_t left;
};

static inline uint8_t next_u8(struct script *script)
{
	if (script->left == 0)
		return 0;
	script->left--;
	return *script->bytes++;
}

static inline uint16_t next_u16(struct script *script)
{
	uint16_t low = next_u8(script);

	return (uint16_t)(low | next_u8(script) << 8);
}

static inline uint64_t next_u64(struct script *script)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 64; i += 16)
		value |= (uint64_t)next_u16(script) << i;
	return value;
}

/* Below `count`. */
static inline unsigned next_choice(struct script *script, unsigned count)
{
	return next_u8(script) % count;
}

#endif
