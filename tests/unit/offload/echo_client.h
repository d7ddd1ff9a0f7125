/* A client of a module's host that echoes, over a socket or a device, for tests of the channel. */
#ifndef SLUICE_TESTS_ECHO_CLIENT_H
#define SLUICE_TESTS_ECHO_CLIENT_H

#include "../cmocka_all.h"

#include "channel/channel_private.h"
#include "echo_host.h"

/* Set before each test of BOTH_WAYS. */
extern struct echo_host host;
extern struct channel *channel;

/* The test, by a socket and by a device. */
#define BOTH_WAYS(test)                                                                        \
	cmocka_unit_test_setup_teardown(test, echo_client_set_up_unix, echo_client_tear_down), \
	{                                                                                      \
		"pci: " #test, test, echo_client_set_up_pci, echo_client_tear_down, NULL       \
	}

int echo_client_set_up_unix(void **state);
int echo_client_set_up_pci(void **state);
int echo_client_tear_down(void **state);

/* Open `channel`. */
void open_channel(void);

/* A connection of it; end it with channel_disconnect. */
struct channel_connection *join(void);

/* Send a message of that size, and expect it as the reply. */
void expect_echo(struct channel_connection *connection, size_t bytes);

#endif
