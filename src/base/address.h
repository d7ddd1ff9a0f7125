/*
 * Addresses as people write them: IPv4 or IPv6, the former mapped into the latter; and hardware
 * addresses, which stand in the same type, where IPv6 has none.
 */
#ifndef SLUICE_BASE_ADDRESS_H
#define SLUICE_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

#define ADDRESS_HARDWARE_OFFSET 10u /* where its six bytes are, behind 0xff and zeroes */

/* Read "10.0.0.7", "fd00::7" or "52:54:00:12:34:56"; false for anything else. */
bool address_parse(const char *text, struct in6_addr *address);

bool address_is_hardware(const struct in6_addr *address);

/* Whether it can be that of one interface: neither unspecified nor multicast. */
bool address_is_somebodys(const struct in6_addr *address);

/* Whether it is one of `count` addresses. */
bool address_is_among(
	const struct in6_addr *address, const struct in6_addr *addresses, unsigned count);

/* Write what address_parse reads; returns `text`. */
char *address_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]);

#endif
