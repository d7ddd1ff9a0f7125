/*
 * The way to the storage module: one channel for the whole server, opened when it is first needed.
 */
#ifndef SLUICE_GUEST_MARIADB_MODULE_H
#define SLUICE_GUEST_MARIADB_MODULE_H

#include <string>

#include "channel/channel_client.h"
#include "store/store_client.h"

void module_init();

/* All clients are closed. */
void module_end();

/*
 * A client of the storage module, which the caller closes with store_client_close. Any thread.
 *
 * Returns 0, or a negative errno; what is wrong then is in the server's log, once in a row.
 */
int module_connect(struct store_client **client);

/* A prepared transaction whose end the module could not be told: that is done before anybody connects again. Any thread. */
void module_end_later(const std::string &xid, bool is_commit);

/* Zeros if there is no channel. Returns whether there is one. Any thread. */
bool module_counters(struct channel_counters *counters);

#endif
