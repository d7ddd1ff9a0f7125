/*
 * The server's headers, in the order that they want; before all others.
 */
#ifndef SLUICE_GUEST_MARIADB_SERVER_H
#define SLUICE_GUEST_MARIADB_SERVER_H

#include <my_global.h>

#include <handler.h>
#include <key.h>
#include <my_sys.h>
#include <mysql/plugin.h>
#include <sql_class.h>
#include <sql_lex.h>
#include <table.h>

/* The server's macros, which the standard library's headers don't survive. */
#undef min
#undef max
#undef test

#include <string>
#include <vector>

#endif
