/* A storage module with one table and two clients, for tests of transactions that meet. */
#ifndef SLUICE_TESTS_TWO_CLIENTS_H
#define SLUICE_TESTS_TWO_CLIENTS_H

#include "../cmocka_all.h"

#include "store_fixture.h"

/* Set before each test of TWO_CLIENTS_TEST; the table is "t", with two spaces. */
extern struct store_client *client, *other;
extern struct store_handle table;

#define TWO_CLIENTS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, two_clients_set_up, two_clients_tear_down)

int two_clients_set_up(void **state);
int two_clients_tear_down(void **state);

/* Close the module and open it again, as when its process starts anew; both are connected again. */
void reopen(void);

void commit(struct store_client *of);

/* By `client`. */
void put_committed(const char *key, const char *value);

#endif
