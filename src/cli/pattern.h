/* Data that says where it belongs: each 8 bytes are a mix of their own offset on the disk. */
#ifndef SLUICE_CLI_PATTERN_H
#define SLUICE_CLI_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Fill a buffer (a multiple of 8 bytes) that belongs at `offset_bytes`. */
void pattern_fill(void *data, size_t size_bytes, uint64_t offset_bytes);

/* Is this what pattern_fill would have put there? */
bool pattern_matches(const void *data, size_t size_bytes, uint64_t offset_bytes);

#endif
