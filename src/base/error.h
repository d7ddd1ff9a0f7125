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
 * @code: a negative errno, returned unchanged
 */
int error_set(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Put context in front of a message that a callee has set: "disk 'gold': " + what it said.
 * Returns `code` unchanged.
 */
int error_prefix(struct error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
