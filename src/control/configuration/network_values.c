#include "control/configuration/network_values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/units.h"
#include "control/configuration/values.h"

#define PERIOD_NS_DEFAULT (5 * NS_PER_MS)
#define PERIOD_NS_MIN NS_PER_MS
#define PERIOD_NS_MAX (100 * NS_PER_MS)
#define HEADROOM 0.03

/* ---- addresses ---- */

bool value_address(
	const char *text, const char *path, struct in6_addr *address, struct problems *problems)
{
	const char *trouble = NULL;

	if (!address_parse(text, address))
		trouble = "not an address; write it";
	else if (!address_is_somebodys(address))
		trouble = "nobody's address; write one";
	if (trouble)
		problems_add(problems, path, "'%s' is %s like 10.0.0.7 or fd00::7", text, trouble);
	return !trouble;
}

bool value_agent_address(
	const char *text, const char *path, struct in6_addr *address, struct problems *problems)
{
	if (!value_address(text, path, address, problems))
		return false;
	if (address_is_hardware(address))
		problems_add(problems, path,
			"'%s' is a hardware address; an agent listens at one of IP", text);
	return !address_is_hardware(address);
}

/* ---- the agent ---- */

static void check_period(uint64_t period_ns, const char *parent, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (period_ns >= PERIOD_NS_MIN && period_ns <= PERIOD_NS_MAX)
		return;
	path_key(path, parent, "period");
	problems_add(problems, path, "must be from 1ms to 100ms");
}

static void value_link(
	const char *text, const char *parent, uint64_t *bytes_per_s, struct problems *problems)
{
	unsigned known = problems->count;
	char path[PROBLEM_PATH_BYTES];

	value_quantity(units_parse_bandwidth, text, parent, "link", bytes_per_s, problems);
	if (*bytes_per_s > 0 || problems->count > known)
		return;
	path_key(path, parent, "link");
	problems_add(problems, path, "must be more than 0");
}

void values_of_network(const struct network_settings *settings, const char *path,
	struct agent_config *config, struct problems *problems)
{
	memset(config, 0, sizeof *config);
	config->headroom = HEADROOM;
	config->period_ns = PERIOD_NS_DEFAULT;
	value_text(config->host, sizeof config->host, settings->host, path, "host", problems);
	value_text(
		config->uplink, sizeof config->uplink, settings->uplink, path, "uplink", problems);
	value_link(settings->link, path, &config->link_bytes_per_s, problems);
	value_quantity(units_parse_duration_ns, settings->period, path, "period",
		&config->period_ns, problems);
	check_period(config->period_ns, path, problems);
}

/* ---- hosts ---- */

/* One vNIC: its addresses, separated by commas. */
static void value_of_served(
	char *text, const char *path, struct directory_nic *nic, struct problems *problems)
{
	unsigned known = problems->count;
	char *rest = NULL;

	*nic = (struct directory_nic){0};
	for (char *word = strtok_r(text, ", ", &rest); word; word = strtok_r(NULL, ", ", &rest)) {
		if (nic->address_count == DIRECTORY_ADDRESSES_MAX) {
			problems_add(problems, path, "a vNIC has at most %u addresses",
				DIRECTORY_ADDRESSES_MAX);
			return;
		}
		if (value_address(word, path, &nic->addresses[nic->address_count], problems))
			nic->address_count++;
	}
	if (!nic->address_count && problems->count == known)
		problems_add(problems, path, "has no address; write it like 10.0.0.7");
}

static void host_serves(const struct agent_host_settings *settings, const char *path,
	struct directory *directory, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], one[PROBLEM_PATH_BYTES];
	struct directory_nic nic;
	char *text;

	path_key(list, path, "serves");
	for (unsigned i = 0; i < settings->serves_count; i++) {
		path_index(one, list, i);
		text = strdup(settings->serves[i]);
		if (!text)
			return;
		value_of_served(text, one, &nic, problems);
		free(text);
		if (directory_add_nic(directory, settings->name, &nic) == -EEXIST)
			problems_add(problems, one, "'%s' is served elsewhere already",
				settings->serves[i]);
	}
}

static void value_of_host(const struct agent_host_settings *settings, const char *path,
	struct directory *directory, struct directory_host *host, struct problems *problems)
{
	char address[PROBLEM_PATH_BYTES];

	*host = (struct directory_host){.id = directory_id(settings->name),
		.endpoint = {.sin6_family = AF_INET6, .sin6_port = htons(AGENT_PORT_DEFAULT)}};
	value_name(host->name, sizeof host->name, settings->name, path, problems);
	path_key(address, path, "address");
	value_agent_address(settings->address, address, &host->endpoint.sin6_addr, problems);
	if (directory_add_host(directory, host) == -EEXIST)
		problems_add(problems, path, "there is a host '%s' already", settings->name);
	else
		host_serves(settings, path, directory, problems);
}

void values_of_hosts(const struct network_settings *settings, const char *path,
	struct directory *directory, struct sockaddr_in6 *own, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], one[PROBLEM_PATH_BYTES];
	struct directory_host host;
	bool is_found = false;

	path_key(list, path, "hosts");
	for (unsigned i = 0; i < settings->hosts_count; i++) {
		path_index(one, list, i);
		value_of_host(&settings->hosts[i], one, directory, &host, problems);
		if (strcmp(settings->hosts[i].name, settings->host) != 0)
			continue;
		*own = host.endpoint;
		is_found = true;
	}
	path_key(one, path, "host");
	if (!is_found)
		problems_add(
			problems, one, "'%s' is not among 'hosts'; add it there", settings->host);
}

/* ---- vNICs ---- */

static void bandwidths(const struct bandwidth_settings *settings, const char *parent,
	const char *key, uint64_t *min, uint64_t *max, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	*min = 0;
	*max = UINT64_MAX;
	if (!settings)
		return;
	path_key(path, parent, key);
	value_quantity(units_parse_bandwidth, settings->min, path, "min", min, problems);
	value_quantity(units_parse_bandwidth, settings->max, path, "max", max, problems);
	if (*min > *max || *max == 0)
		problems_add(problems, path, "'max' must be more than 0 and no less than 'min'");
}

void values_of_nic(const struct nic_settings *settings, const char *path, struct nic_config *config,
	struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], one[PROBLEM_PATH_BYTES];
	uint64_t min, max;

	memset(config, 0, sizeof *config);
	value_name(config->name, sizeof config->name, settings->name, path, problems);
	value_text(
		config->netdev, sizeof config->netdev, settings->netdev, path, "netdev", problems);
	path_key(list, path, "addresses");
	config->address_count = settings->addresses_count;
	for (unsigned i = 0; i < settings->addresses_count; i++) {
		path_index(one, list, i);
		value_address(settings->addresses[i], one, &config->addresses[i], problems);
	}
	bandwidths(settings->send, path, "send", &config->send_min, &config->send_max, problems);
	bandwidths(settings->receive, path, "receive", &min, &max, problems);
	config->receive.min = (double)min;
	config->receive.max = max == UINT64_MAX ? INFINITY : (double)max;
	config->receive.weight = settings->weight ? *settings->weight : 1;
	path_key(one, path, "weight");
	if (config->receive.weight < 1)
		problems_add(problems, one, "must be 1 or more");
}

/* ---- the key ---- */

int network_read_key(const char *file, uint8_t key[ENVELOPE_KEY_BYTES], struct error *error)
{
	char text[2 * ENVELOPE_KEY_BYTES + 1] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	struct stat status;
	int result = 0;

	if (fd < 0)
		return error_set(error, -errno,
			"the cluster's key %s: %s; make one with `openssl rand -hex 32`", file,
			strerror(errno));
	if (fstat(fd, &status) < 0 || (status.st_mode & 077))
		result = error_set(error, -EPERM,
			"the cluster's key %s can be read by others; chmod 600 it", file);
	else if (read(fd, text, sizeof text - 1) != sizeof text - 1 ||
		 sodium_hex2bin(key, ENVELOPE_KEY_BYTES, text, sizeof text - 1, NULL, &length,
			 NULL) != 0 ||
		 length != ENVELOPE_KEY_BYTES)
		result = error_set(error, -EINVAL,
			"the cluster's key %s is not 64 hexadecimal digits; make one with `openssl "
			"rand -hex 32`",
			file);
	sodium_memzero(text, sizeof text);
	close(fd);
	return result;
}
