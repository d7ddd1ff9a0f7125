/*
 * A machine that a region is in, played: its socket, its device's registers as a file that looks like sysfs, and a thread that rings as KVM
 * does; and a client in it.
 */
#ifndef SLUICE_TESTS_PLAYED_MACHINE_H
#define SLUICE_TESTS_PLAYED_MACHINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "channel/channel_private.h"
#include "echo_host.h"

#define HOST 1 /* as a peer */

struct played_machine {
	int socket, doorbell;
	uint32_t *doorbell_register;
	bool is_plugged_in;
	pthread_t thread;
	uint32_t is_ending;
	uint32_t last_value; /* that was written to the register */
};

extern struct echo_host host;
extern struct channel *channel;
extern struct played_machine machine;

/* Before and after each test: a host with a region. */
int set_up(void **state);
int tear_down(void **state);

/* ---- the machine's socket ---- */

int connect_machine(void);
void expect_welcome(int socket, int *memory, int *doorbell);
void expect_silence(int socket);
bool is_hung_up(int socket);

/* Connect, and begin to ring; and the end of both. */
void plug_in(void);
void pull_out(void);

/* ---- the client ---- */

void open_channel(void);
struct channel_connection *join(void);
void expect_echo(struct channel_connection *connection);

/* ---- the host ---- */

uint64_t rung(void);
uint64_t sleeps(void);

/* Whether it believes that the doorbell rings. */
bool is_trusted(void);
bool is_doubted(void);

/* Within 20 s. */
bool eventually(bool (*is_true)(void));

#endif
