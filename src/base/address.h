/* Addresses as people write them: IPv4 or IPv6, the former mapped into the latter. */
#ifndef SLUICE_BASE_ADDRESS_H
#define SLUICE_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>

/* Read "10.0.0.7" or "fd00::7"; false for anything else. */
bool address_parse(const char *text, struct in6_addr *address);

/* Whether it can be that of one interface: neither unspecified nor multicast. */
bool address_is_somebodys(const struct in6_addr *address);

/* Whether it is one of `count` addresses. */
bool address_is_among(
	const struct in6_addr *address, const struct in6_addr *addresses, unsigned count);

/* Write what address_parse reads; returns `text`. */
char *address_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]);

#endif
