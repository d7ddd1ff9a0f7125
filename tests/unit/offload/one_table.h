/* A storage module with one table, for tests of one client. */
#ifndef SLUICE_TESTS_ONE_TABLE_H
#define SLUICE_TESTS_ONE_TABLE_H

#include "../cmocka_all.h"

#include "store_fixture.h"

/* Set before each test of ONE_TABLE_TEST; the table is "db/t", with two spaces and 8 bytes of metadata. */
extern struct store_client *client;
extern struct store_handle table;

#define ONE_TABLE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, one_table_set_up, one_table_tear_down)

int one_table_set_up(void **state);
int one_table_tear_down(void **state);

/* Close the module and open it again, as when its process starts anew; the table must be opened again, too. */
void reopen(void);

void commit(void);

/* Insert k00000=v0, k00001=v1, ..., and commit. */
void fill(unsigned count);

#endif
