#include "cluster/cluster_entry.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"

/* Beyond this a double is not exact, and no link is so fast. */
#define BANDWIDTH_MAX ((json_int_t)1 << 53)

/* ---- keys ---- */

/* Take a name, as the configuration has them, up to `end` or a '/'; false if there is none. */
static bool take_name(const char **text, const char *end, char name[DIRECTORY_NAME_BYTES])
{
	size_t used = 0;

	while (*text < end && **text != '/') {
		char next = *(*text)++;

		if (!isalnum((unsigned char)next) && !(used && next && strchr("._-", next)))
			return false;
		if (used == DIRECTORY_NAME_BYTES - 1)
			return false;
		name[used++] = next;
	}
	name[used] = '\0';
	return used;
}

static bool skip(const char **text, const char *end, const char *word)
{
	size_t length = strlen(word);

	if ((size_t)(end - *text) < length || memcmp(*text, word, length) != 0)
		return false;
	*text += length;
	return true;
}

static int parse_key(const char *prefix, const char *key, size_t key_bytes,
	struct cluster_entry *entry, struct error *error)
{
	const char *end = key + key_bytes;
	bool is_good;

	if (!skip(&key, end, prefix))
		return error_set(error, -ENOENT, "is not below %s", prefix);
	if (skip(&key, end, "/hosts/")) {
		entry->kind = CLUSTER_HOST;
		is_good = take_name(&key, end, entry->host.host.name);
	} else if (skip(&key, end, "/nics/")) {
		entry->kind = CLUSTER_NIC;
		is_good = take_name(&key, end, entry->nic.host) && skip(&key, end, "/") &&
			  take_name(&key, end, entry->nic.config.name);
	} else {
		return error_set(error, -ENOENT, "is neither a host nor a vNIC");
	}
	if (is_good && key == end)
		return 0;
	return error_set(error, -EINVAL,
		"does not end in a name; names have letters, digits, '.', '_' and '-', and at most "
		"%u bytes",
		DIRECTORY_NAME_BYTES - 1);
}

char *cluster_host_key(const char *prefix, const char *host, char key[ETCD_KEY_BYTES_MAX + 1])
{
	snprintf(key, ETCD_KEY_BYTES_MAX + 1, "%s/hosts/%s", prefix, host);
	return key;
}

char *cluster_nic_key(
	const char *prefix, const char *host, const char *nic, char key[ETCD_KEY_BYTES_MAX + 1])
{
	snprintf(key, ETCD_KEY_BYTES_MAX + 1, "%s/nics/%s/%s", prefix, host, nic);
	return key;
}

/* ---- values ---- */

static int parse_address(const json_t *text, struct in6_addr *address, struct error *error)
{
	const char *words = json_string_value(text);

	if (!words || !address_parse(words, address))
		return error_set(error, -EINVAL, "has an address that is none");
	if (!address_is_somebodys(address))
		return error_set(error, -EINVAL, "has an address that is nobody's");
	return 0;
}

static int parse_integer(const json_t *object, const char *key, json_int_t min, json_int_t max,
	json_int_t *number, struct error *error)
{
	const json_t *value = json_object_get(object, key);

	if (!value)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < min ||
		json_integer_value(value) > max)
		return error_set(error, -EINVAL,
			"has a '%s' that is not a number from %" JSON_INTEGER_FORMAT
			" to %" JSON_INTEGER_FORMAT,
			key, min, max);
	*number = json_integer_value(value);
	return 0;
}

static int parse_host(const json_t *value, struct cluster_host *host, struct error *error)
{
	struct sockaddr_in6 *endpoint = &host->host.endpoint;
	json_int_t port = AGENT_PORT_DEFAULT, link = 0;
	int result = parse_address(json_object_get(value, "address"), &endpoint->sin6_addr, error);

	if (result == 0 && address_is_hardware(&endpoint->sin6_addr))
		result = error_set(error, -EINVAL, "has a hardware address for its agent's");
	if (result == 0)
		result = parse_integer(value, "port", 1, UINT16_MAX, &port, error);
	if (result == 0)
		result = parse_integer(value, "link_bytes_per_s", 1, BANDWIDTH_MAX, &link, error);
	host->host.id = directory_id(host->host.name);
	endpoint->sin6_family = AF_INET6;
	endpoint->sin6_port = htons((uint16_t)port);
	host->link_bytes_per_s = (uint64_t)link;
	return result;
}

static int parse_addresses(const json_t *list, struct nic_config *config, struct error *error)
{
	size_t count = json_array_size(list);
	int result = 0;

	if (!json_is_array(list) || count > DIRECTORY_ADDRESSES_MAX)
		return error_set(error, -EINVAL, "must have a list of at most %u addresses",
			DIRECTORY_ADDRESSES_MAX);
	config->address_count = (unsigned)count;
	for (size_t i = 0; i < count && result == 0; i++)
		result = parse_address(json_array_get(list, i), &config->addresses[i], error);
	return result;
}

/* *max stays as it is if none is given. */
static int parse_limits(
	const json_t *value, const char *key, json_int_t *min, json_int_t *max, struct error *error)
{
	const json_t *limits = json_object_get(value, key);
	int result;

	if (!limits)
		return 0;
	if (!json_is_object(limits))
		return error_set(error, -EINVAL, "has a '%s' that is no object", key);
	result = parse_integer(limits, "min", 0, BANDWIDTH_MAX, min, error);
	if (result == 0)
		result = parse_integer(limits, "max", 1, BANDWIDTH_MAX, max, error);
	if (result == 0 && *max >= 0 && *min > *max)
		return error_set(error, -EINVAL, "has a 'min' above its 'max' in '%s'", key);
	return result;
}

static int parse_nic(const json_t *value, struct nic_config *config, struct error *error)
{
	json_int_t send_min = 0, send_max = -1, receive_min = 0, receive_max = -1, weight = 1;
	int result = parse_addresses(json_object_get(value, "addresses"), config, error);

	if (result == 0)
		result = parse_limits(value, "send", &send_min, &send_max, error);
	if (result == 0)
		result = parse_limits(value, "receive", &receive_min, &receive_max, error);
	if (result == 0)
		result = parse_integer(value, "weight", 1, UINT32_MAX, &weight, error);
	config->send_min = (uint64_t)send_min;
	config->send_max = send_max < 0 ? UINT64_MAX : (uint64_t)send_max;
	config->receive = (struct inbound_promise){.min = (double)receive_min,
		.max = receive_max < 0 ? INFINITY : (double)receive_max,
		.weight = (double)weight};
	return result;
}

static int parse_value(
	const char *value, size_t bytes, struct cluster_entry *entry, struct error *error)
{
	json_t *object;
	int result;

	if (bytes > CLUSTER_VALUE_BYTES_MAX)
		return error_set(error, -EMSGSIZE, "has a value of more than %u bytes",
			CLUSTER_VALUE_BYTES_MAX);
	object = json_loadb(value, bytes, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(object))
		result = error_set(error, -EINVAL, "has a value that is not a JSON object");
	else if (entry->kind == CLUSTER_HOST)
		result = parse_host(object, &entry->host, error);
	else
		result = parse_nic(object, &entry->nic.config, error);
	json_decref(object);
	return result;
}

int cluster_entry_parse(const char *prefix, const struct etcd_pair *pair,
	struct cluster_entry *entry, struct error *error)
{
	int result;

	memset(entry, 0, sizeof *entry);
	if (pair->key_bytes > ETCD_KEY_BYTES_MAX)
		return error_set(
			error, -EMSGSIZE, "is a key of more than %u bytes", ETCD_KEY_BYTES_MAX);
	result = parse_key(prefix, pair->key, pair->key_bytes, entry, error);
	if (result < 0)
		return result;
	return parse_value(pair->value, pair->value_bytes, entry, error);
}

/* ---- writing ---- */

static char *take_text(json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

	json_decref(value);
	return text;
}

char *cluster_host_value(const struct cluster_host *host)
{
	const struct sockaddr_in6 *endpoint = &host->host.endpoint;
	char address[INET6_ADDRSTRLEN];

	return take_text(json_pack("{s:s, s:i, s:I}", "address",
		address_format(&endpoint->sin6_addr, address), "port",
		(int)ntohs(endpoint->sin6_port), "link_bytes_per_s",
		(json_int_t)host->link_bytes_per_s));
}

static json_t *limits_value(uint64_t min, bool has_max, uint64_t max)
{
	return has_max ? json_pack("{s:I, s:I}", "min", (json_int_t)min, "max", (json_int_t)max)
		       : json_pack("{s:I}", "min", (json_int_t)min);
}

static json_t *addresses_value(const struct nic_config *config)
{
	char address[INET6_ADDRSTRLEN];
	json_t *list = json_array();

	for (unsigned i = 0; i < config->address_count; i++)
		json_array_append_new(
			list, json_string(address_format(&config->addresses[i], address)));
	return list;
}

char *cluster_nic_value(const struct nic_config *config)
{
	const struct inbound_promise *receive = &config->receive;
	bool is_limited = !isinf(receive->max);

	return take_text(json_pack("{s:o, s:o, s:o, s:I}", "addresses", addresses_value(config),
		"send",
		limits_value(config->send_min, config->send_max != UINT64_MAX, config->send_max),
		"receive",
		limits_value((uint64_t)receive->min, is_limited,
			is_limited ? (uint64_t)receive->max : 0),
		"weight", (json_int_t)receive->weight));
}
