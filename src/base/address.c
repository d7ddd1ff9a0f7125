#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <string.h>

#define HARDWARE_TEXT_LENGTH 17 /* ether_aton_r does not look behind what it needs */

/* What IPv6 has reserved and gives to nobody (RFC 4291, section 2.7) stands for hardware addresses. */
static const uint8_t hardware_prefix[ADDRESS_HARDWARE_OFFSET] = {0xff};

static bool parse_hardware(const char *text, struct in6_addr *address)
{
	memcpy(address->s6_addr, hardware_prefix, sizeof hardware_prefix);
	return strlen(text) == HARDWARE_TEXT_LENGTH &&
	       ether_aton_r(text, (struct ether_addr *)&address->s6_addr[sizeof hardware_prefix]) !=
		       NULL;
}

bool address_is_hardware(const struct in6_addr *address)
{
	return memcmp(address->s6_addr, hardware_prefix, sizeof hardware_prefix) == 0;
}

bool address_parse(const char *text, struct in6_addr *address)
{
	if (inet_pton(AF_INET6, text, address) == 1 || parse_hardware(text, address))
		return true;
	*address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
	return inet_pton(AF_INET, text, &address->s6_addr[12]) == 1;
}

bool address_is_somebodys(const struct in6_addr *address)
{
	const uint8_t *hardware = &address->s6_addr[sizeof hardware_prefix];
	const uint32_t *ipv4 = &address->s6_addr32[3];
	static const uint8_t none[ETH_ALEN];

	if (address_is_hardware(address))
		return !(*hardware & 1) && memcmp(hardware, none, sizeof none) != 0;
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
	const uint8_t *hardware = &address->s6_addr[sizeof hardware_prefix];

	if (address_is_hardware(address))
		snprintf(text, INET6_ADDRSTRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", hardware[0],
			hardware[1], hardware[2], hardware[3], hardware[4], hardware[5]);
	else if (IN6_IS_ADDR_V4MAPPED(address))
		inet_ntop(AF_INET, &address->s6_addr[12], text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
	return text;
}
