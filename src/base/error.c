#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void error_write(struct error *error, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
}

void error_write_before(struct error *error, const char *format, ...)
{
	char rest[ERROR_MESSAGE_BYTES];
	va_list arguments;
	int written;

	if (!error)
		return;
	memcpy(rest, error->message, sizeof rest);
	va_start(arguments, format);
	written = vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	if (written >= 0 && (size_t)written < sizeof error->message)
		snprintf(error->message + written, sizeof error->message - (size_t)written, "%s",
			rest);
}
