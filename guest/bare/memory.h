#ifndef SLUICE_BARE_MEMORY_H
#define SLUICE_BARE_MEMORY_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int byte, size_t count);

#endif
