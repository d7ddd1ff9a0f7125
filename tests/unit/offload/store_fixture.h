/*
 * The storage module, in this process, as its clients see it: requests of the client library go to the module directly, first where it
 * may not wait, as the host does it.
 */
#ifndef SLUICE_TESTS_STORE_FIXTURE_H
#define SLUICE_TESTS_STORE_FIXTURE_H

#include <stdbool.h>
#include <string.h>

#include "offload/module.h"
#include "store/store_client.h"

extern const struct sluice_module sluice_module;

#define FIXTURE_MESSAGE_BYTES_MAX (256u << 10)

/* Only ask where it may wait. */
extern bool fixture_skips_poller;
/* How many requests were answered where it may not wait, and how many were not. */
extern unsigned long fixture_polled, fixture_waited;

/* A new directory for the module, in /dev/shm. */
void fixture_directory_create(void);
void fixture_directory_remove(void);
const char *fixture_directory(void);

/* Open and close the module there; with one option, unless `name` is NULL. */
void fixture_open_with(const char *name, const char *value);
void fixture_open(void);
void fixture_close(void);
void *fixture_instance(void);

/* A connection; close it with store_client_close. */
struct store_client *fixture_connect(void);

/* ---- a connection without a client, one at a time: requests may be anything ---- */

extern struct module_reply fixture_reply; /* to the last one */

void fixture_begin_session(void);
void fixture_end_session(void);
enum module_result fixture_ask(const void *request, size_t bytes, bool may_wait);

/* ---- */

static inline struct store_bytes text_bytes(const char *text)
{
	return (struct store_bytes){.data = text, .bytes = strlen(text)};
}

/* ---- shorter to write ---- */

/* One change, in the transaction. They return what the client does. */
int fixture_put(struct store_client *client, const struct store_handle *table, const char *key,
	const char *value);
int fixture_insert(struct store_client *client, const struct store_handle *table, const char *key,
	const char *value);
int fixture_delete(struct store_client *client, const struct store_handle *table, const char *key);

/* A key's value as text, which is overwritten by the next one, or NULL if it is not there. */
const char *fixture_get(struct store_client *client, const struct store_handle *table,
	const char *key, unsigned flags);

/* "key=value key=value ..." of a scan. */
const char *fixture_scan(struct store_client *client, const struct store_range *range);

/* Create a table with that many spaces. */
struct store_handle fixture_table(struct store_client *client, const char *name, uint32_t spaces);

#endif
