/* cmocka wants four headers before its own. */
#ifndef SLUICE_TESTS_CMOCKA_ALL_H
#define SLUICE_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* It does not come back; cmocka's own does not say so. */
#undef skip
#define skip()                             \
	do {                               \
		_skip(__FILE__, __LINE__); \
		__builtin_unreachable();   \
	} while (0)

#endif
