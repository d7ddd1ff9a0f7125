/*
 * A back end of a NIC, by vhost-user, with queues that only note whether they run. There is one.
 */
#ifndef SLUICE_TEST_NIC_BACK_END_H
#define SLUICE_TEST_NIC_BACK_END_H

#include <stdint.h>

struct nic_back_end {
	uint64_t features; /* that it offers */
	unsigned pair_count;
	char socket_path[64];
	uint64_t accepted; /* features */
};

extern struct nic_back_end nic_back_end;

void nic_back_end_start(void);
void nic_back_end_stop(void); /* nothing happens if it was not started */

/* The queues that run, a bit for each. */
uint64_t nic_back_end_running(void);

#endif
