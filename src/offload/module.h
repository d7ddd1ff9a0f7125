/*
 * What a module is: a shared object that the module host loads, which exports `sluice_module`.
 *
 * Theory of operation. The host loads the module in a process of the module's own and shuts that in: own user, no network, no
 * files outside its directory, few system calls. Then it calls `open`, once, and clients come. A connection has one request at a time. The host's
 * poller calls `handle` itself, with `may_wait` false: the quick way, for what is in memory. A module that would have to wait, for a
 * lock, a device or anything else, changes nothing and returns MODULE_WOULD_WAIT; the host then calls it again for the same request on a
 * thread where it may, and other connections go on meanwhile. So `handle` must be safe for several threads with different
 * sessions, and is never called for one session by two.
 *
 * Clients are hostile: what is in a request is theirs. The request's bytes are a copy of the host's that nobody changes.
 */
#ifndef SLUICE_OFFLOAD_MODULE_H
#define SLUICE_OFFLOAD_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLUICE_MODULE_ABI 2

enum module_result {
	MODULE_DONE, /* the reply is complete */
	MODULE_WOULD_WAIT, /* nothing was done; call again where it may wait. Only if `may_wait` is false */
	MODULE_HANG_UP, /* the request makes no sense: end the connection */
};

struct module_request {
	const void *data; /* 8-byte aligned */
	size_t bytes;
	bool may_wait;
};

/* Where the answer goes. */
struct module_reply {
	void *data; /* 8-byte aligned */
	size_t capacity_bytes;
	size_t bytes; /* set by the module: how many of `data` are the answer */

	/* Make `capacity_bytes` at least this, keeping the first `bytes` of it. Returns false if that is more than a message may have. */
	bool (*grow)(struct module_reply *reply, size_t capacity_bytes);
};

struct module_option {
	const char *name, *value;
};

/* What `open` is told. */
struct module_setup {
	const char *
		directory; /* the module's own, an absolute path; the only place where it may read and write */
	const struct module_option *options; /* as configured */
	size_t option_count;
	size_t memory_bytes_max; /* how much the module's process may use, or 0 if there is no limit */
	size_t message_bytes_max;
};

struct sluice_module {
	uint32_t abi; /* SLUICE_MODULE_ABI */
	const char *name;

	/*
	 * @message: of `message_bytes`; on failure, what is wrong and the mend
	 *
	 * Returns 0 with `*instance`, or a negative errno.
	 */
	int (*open)(const struct module_setup *setup, void **instance, char *message,
		size_t message_bytes);

	/* All sessions have ended. */
	void (*close)(void *instance);

	/* A client has connected; returns 0 with `*session`, or a negative errno. It must not wait. */
	int (*connect)(void *instance, void **session);

	/* It has gone: give up what is unfinished. Called where it may wait. */
	void (*disconnect)(void *session);

	enum module_result (*handle)(
		void *session, const struct module_request *request, struct module_reply *reply);

	/* Text for people, of lines "name: value". Returns its length, at most `size`. Any thread. NULL: none. */
	size_t (*status)(void *instance, char *text, size_t size);

	/*
	 * Its client has gone: a `handle` of the session that is under way may end as it likes, and should, soon. Called while it runs, by
	 * another thread, which may not wait. NULL: what waits, waits on.
	 */
	void (*interrupt)(void *session);
};

#endif
