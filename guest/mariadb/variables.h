/*
 * What is set with sluice_... in the server, and the engine itself.
 */
#ifndef SLUICE_GUEST_MARIADB_VARIABLES_H
#define SLUICE_GUEST_MARIADB_VARIABLES_H

#include "server.h"

extern handlerton *sluice_engine;

/* Where the channel to the storage module is: see channel_open. */
const char *sluice_channel_place();

/* For how long this connection waits for each lock, in milliseconds; 0: not at all. */
unsigned sluice_lock_wait_ms(THD *thd);

/* Whether a commit is durable once it is answered. */
bool sluice_is_commit_durable(THD *thd);

/* How many bytes of rows are gathered before they are written, in statements that insert many. */
size_t sluice_bulk_bytes(THD *thd);

extern struct st_mysql_sys_var *sluice_system_variables[];

#endif
