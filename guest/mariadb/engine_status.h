/*
 * What the engine says of itself: SHOW STATUS LIKE 'sluice%', and SHOW ENGINE SLUICE STATUS, where the module has its say, too.
 */
#ifndef SLUICE_GUEST_MARIADB_ENGINE_STATUS_H
#define SLUICE_GUEST_MARIADB_ENGINE_STATUS_H

#include "server.h"

/* Returns true with an error told: there is no module to ask. */
bool engine_status_show(handlerton *engine, THD *thd, stat_print_fn *print, enum ha_stat_type what);

extern struct st_mysql_show_var engine_status_variables[];

#endif
