/* What the files of the client share. */
#ifndef SLUICE_GUEST_STORE_CLIENT_PRIVATE_H
#define SLUICE_GUEST_STORE_CLIENT_PRIVATE_H

#include "store_client.h"

#define STORE_PARTS_MAX 3 /* behind a request's struct */
#define STORE_TEXT_BYTES 512
#define STORE_POSTED_MAX 64u /* requests without an answer */

struct store_client {
	struct channel_connection *connection;
	size_t message_bytes_max;
	uint64_t instance, cancel_key;
	uint32_t lock_timeout_ms;
	unsigned posted; /* requests whose answers nobody has waited for */
	bool is_failed;	 /* one of them has, and with it the transaction */
	char text[STORE_TEXT_BYTES];
};

/* A request whose struct is `request`, and what follows it. */
struct store_question {
	enum store_operation operation;
	unsigned flags;
	void *request; /* begins with struct store_request, which is filled in */
	size_t request_bytes;
	struct store_bytes parts[STORE_PARTS_MAX];
	unsigned part_count;
};

/* What has come back: a struct that was copied, and what follows it, where it lies. */
struct store_answer {
	void *reply; /* or NULL: nothing but a status is expected */
	size_t reply_bytes;
	struct store_bytes rest;
};

/* Ask, and check the answer. Returns as store_client.h says; with a status other than STORE_OK, there is no rest. */
int store_ask(struct store_client *client, const struct store_question *question,
	struct store_answer *answer);

/*
 * Send a request without waiting for its answer, which is taken with a later one's. Returns 0 or a negative errno.
 */
int store_post(struct store_client *client, const struct store_question *question);

/* Take `bytes` bytes off the beginning of what lies there. Returns false if there are fewer. */
bool store_take(struct store_bytes *from, size_t bytes, struct store_bytes *taken);

/* Is all of the rest, and nothing else, `bytes` bytes long? Returns 0 with them in `*taken`, unless that is NULL, or -EPROTO. */
int store_take_rest(const struct store_answer *answer, size_t bytes, struct store_bytes *taken);

#endif
