/*
 * What went wrong, for the person who has to mend it.
 *
 * A function that can fail for reasons worth explaining takes a `struct error *` as its last
 * argument and returns a negative errno. The message names the thing and the fix; whoever handles
 * the failure prints it, once. The pointer may be NULL where nobody will read the text.
 */
#ifndef SLUICE_BASE_ERROR_H
#define SLUICE_BASE_ERROR_H

#define ERROR_MESSAGE_BYTES 512

struct error {
	char message[ERROR_MESSAGE_BYTES];
};

/*
 * Fill in the message and hand back `code`, so that a failure is one statement:
 * `return error_set(error, -EINVAL, "disk '%s': size must not be 0", name);`
 *
 * @error: where to write, or NULL
 * @code: a negative errno, returned unchanged. This is a macro so that whoever reads a caller
 *        without the callee (a compiler, an analyzer) sees that, too
 */
#define error_set(error, code, ...)                \
	({                                         \
		int error_code = (code);           \
		error_write((error), __VA_ARGS__); \
		error_code;                        \
	})

/*
 * Put context in front of a message that a callee has set: "disk 'gold': " + what it said.
 * Hands back `code` unchanged.
 */
#define error_prefix(error, code, ...)                    \
	({                                                \
		int error_code = (code);                  \
		error_write_before((error), __VA_ARGS__); \
		error_code;                               \
	})

void error_write(struct error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void error_write_before(struct error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
