#include "two_clients.h"

struct store_client *client, *other;
struct store_handle table;

static void connect_both(void)
{
	client = fixture_connect();
	other = fixture_connect();
}

static void disconnect_both(void)
{
	store_client_close(client);
	store_client_close(other);
}

int two_clients_set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	connect_both();
	table = fixture_table(client, "t", 2);
	return 0;
}

int two_clients_tear_down(void **state)
{
	disconnect_both();
	fixture_close();
	fixture_directory_remove();
	return 0;
}

void reopen(void)
{
	disconnect_both();
	fixture_close();
	fixture_open();
	connect_both();
}

void commit(struct store_client *of)
{
	assert_int_equal(store_client_commit(of, true), STORE_OK);
}

void put_committed(const char *key, const char *value)
{
	assert_int_equal(fixture_put(client, &table, key, value), STORE_OK);
	commit(client);
}
