/* What a compiler may call without being asked. */
#include "memory.h"

void *memcpy(void *to, const void *from, size_t count)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	return start;
}

void *memset(void *to, int byte, size_t count)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(byte) : "memory");
	return start;
}
