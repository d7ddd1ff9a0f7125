/*
 * A network namespace of the test's own, with a veth pair v0 - v1 in it; without the rights, the
 * test is skipped.
 */
#ifndef SLUICE_TESTS_OWN_NETWORK_H
#define SLUICE_TESTS_OWN_NETWORK_H

#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static inline bool run(const char *command)
{
	return system(command) == 0;
}

/* The kernel's own IPv6 frames would be counted with the test's. */
static inline void need_own_network(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 ||
		!run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6") ||
		!run("ip link add v0 type veth peer name v1") || !run("ip link set v0 up") ||
		!run("ip link set v1 up"))
		skip();
}

#endif
