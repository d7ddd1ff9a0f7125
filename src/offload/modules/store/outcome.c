#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>

int explain(struct explanation *explanation, int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(explanation->text, sizeof explanation->text, format, arguments);
	va_end(arguments);
	return status;
}
