#include "one_table.h"

#include <stdio.h>

struct store_client *client;
struct store_handle table;

int one_table_set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	client = fixture_connect();
	table = fixture_table(client, "db/t", 2);
	return 0;
}

int one_table_tear_down(void **state)
{
	store_client_close(client);
	fixture_close();
	fixture_directory_remove();
	return 0;
}

void reopen(void)
{
	store_client_close(client);
	fixture_close();
	fixture_open();
	client = fixture_connect();
}

void commit(void)
{
	assert_int_equal(store_client_commit(client, false), STORE_OK);
}

void fill(unsigned count)
{
	char key[16], value[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof key, "k%05u", i);
		snprintf(value, sizeof value, "v%u", i);
		assert_int_equal(fixture_insert(client, &table, key, value), STORE_OK);
	}
	commit();
}
