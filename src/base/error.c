#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return code;
	va_start(arguments, format);
	vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	return code;
}

int error_prefix(struct error *error, int code, const char *format, ...)
{
	char rest[ERROR_MESSAGE_BYTES];
	va_list arguments;
	int written;

	if (!error)
		return code;
	memcpy(rest, error->message, sizeof rest);
	va_start(arguments, format);
	written = vsnprintf(error->message, sizeof error->message, format, arguments);
	va_end(arguments);
	if (written >= 0 && (size_t)written < sizeof error->message)
		snprintf(error->message + written, sizeof error->message - (size_t)written, "%s",
			rest);
	return code;
}
