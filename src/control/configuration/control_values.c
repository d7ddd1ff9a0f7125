#include "control/configuration/control_values.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DIGITS_MAX 5

/* 1 to 65535; 0 if it is not that. */
static uint16_t parse_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = strtoul(text, NULL, 10);

	return !text[digits] && digits >= 1 && digits <= PORT_DIGITS_MAX && port <= UINT16_MAX
		       ? (uint16_t)port
		       : 0;
}

/* An IPv6 address stands in brackets, since it has colons of its own. */
static bool parse_host(const char *text, size_t length, uint16_t port, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
	bool is_bracketed = length > 2 && *text == '[' && text[length - 1] == ']';
	char host[INET6_ADDRSTRLEN];

	if (length >= sizeof host)
		return false;
	snprintf(host, sizeof host, "%.*s", (int)length - 2 * is_bracketed, text + is_bracketed);
	if (is_bracketed) {
		*v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
	}
	*v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
}

void values_of_metrics(const struct control_settings *settings, const char *path,
	struct sockaddr_storage *address, struct problems *problems)
{
	const char *text = settings ? settings->metrics : NULL;
	const char *colon = text ? strrchr(text, ':') : NULL;
	uint16_t port = colon ? parse_port(colon + 1) : 0;
	char below[PROBLEM_PATH_BYTES];

	memset(address, 0, sizeof *address);
	if (!text || (port && parse_host(text, (size_t)(colon - text), port, address)))
		return;
	address->ss_family = AF_UNSPEC;
	path_key(below, path, "metrics");
	problems_add(problems, below,
		"'%s' is not an address and a port; write it like 127.0.0.1:9157 or [::1]:9157",
		text);
}
