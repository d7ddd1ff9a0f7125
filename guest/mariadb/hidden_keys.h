/*
 * Primary keys of tables that have none: numbers that grow, one sequence for all tables, so that rows keep the order in which they came.
 * The module keeps the sequence, as the counter of a table of its own; the server takes numbers out of it in blocks.
 */
#ifndef SLUICE_GUEST_MARIADB_HIDDEN_KEYS_H
#define SLUICE_GUEST_MARIADB_HIDDEN_KEYS_H

#include "session.h"

#define HIDDEN_KEY_BYTES 8u

/* Append the next key. Any thread. Returns an error of the server's. */
int hidden_key_append(struct session *session, std::string *to);

#endif
