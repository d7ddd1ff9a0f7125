#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool address_parse(const char *text, struct in6_addr *address)
{
	char mapped[INET6_ADDRSTRLEN + 8];

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	snprintf(mapped, sizeof mapped, "::ffff:%s", text);
	return strchr(text, '.') && inet_pton(AF_INET6, mapped, address) == 1;
}

bool address_is_somebodys(const struct in6_addr *address)
{
	const uint32_t *ipv4 = &address->s6_addr32[3];

	if (IN6_IS_ADDR_V4MAPPED(address))
		return ntohl(*ipv4) != INADDR_ANY && ntohl(*ipv4) != INADDR_BROADCAST &&
		       !IN_MULTICAST(ntohl(*ipv4));
	return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_MULTICAST(address);
}

bool address_is_among(
	const struct in6_addr *address, const struct in6_addr *addresses, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (memcmp(&addresses[i], address, sizeof *address) == 0)
			return true;
	return false;
}

char *address_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN])
{
	if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
	return text;
}
