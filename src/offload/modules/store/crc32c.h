/* CRC-32C (Castagnoli), as in RFC 3720: by the processor's instruction where it has one. */
#ifndef SLUICE_STORE_CRC32C_H
#define SLUICE_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* That of what came before (0: nothing) and `data` behind it. */
uint32_t crc32c_extend(uint32_t before, const void *data, size_t bytes);

#endif
