/* From a member to the structure that embeds it. */
#ifndef SLUICE_BASE_CONTAINER_H
#define SLUICE_BASE_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) \
	((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

#endif
