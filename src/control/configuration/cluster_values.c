#include "control/configuration/cluster_values.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "control/configuration/network_values.h"
#include "control/configuration/values.h"
#include "control/socket/run_directory.h"

#define PREFIX_DEFAULT "/sluice"
#define LEASE_NS_DEFAULT (10 * NS_PER_S)
#define LEASE_NS_MIN (5 * NS_PER_S)
#define LEASE_NS_MAX (600 * NS_PER_S)

/* ---- endpoints ---- */

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool is_there = curl_url_get(url, part, &text, 0) == CURLUE_OK;

	curl_free(text);
	return is_there;
}

static bool part_is_one_of(CURLU *url, CURLUPart part, const char *one, const char *other)
{
	char *text = NULL;
	bool is_it = curl_url_get(url, part, &text, 0) == CURLUE_OK &&
		     (strcmp(text, one) == 0 || strcmp(text, other) == 0);

	curl_free(text);
	return is_it;
}

/* A scheme, a host, a port perhaps, and nothing else. */
static bool is_endpoint(CURLU *url, const char *text)
{
	return curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
	       part_is_one_of(url, CURLUPART_SCHEME, "http", "https") &&
	       part_is_one_of(url, CURLUPART_PATH, "/", "") && !has_part(url, CURLUPART_QUERY) &&
	       !has_part(url, CURLUPART_FRAGMENT);
}

static void value_endpoint(const char *text, const char *path, char endpoint[ETCD_ENDPOINT_BYTES],
	struct problems *problems)
{
	size_t length = strlen(text);
	CURLU *url = curl_url();

	if (length && text[length - 1] == '/')
		length--;
	if (!url || length >= ETCD_ENDPOINT_BYTES || !is_endpoint(url, text))
		problems_add(problems, path,
			"'%s' is not an address of etcd; write it like http://10.0.0.1:2379", text);
	else
		snprintf(endpoint, ETCD_ENDPOINT_BYTES, "%.*s", (int)length, text);
	curl_url_cleanup(url);
}

static void value_endpoints(const struct etcd_settings *settings, const char *parent,
	struct etcd_config *config, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], one[PROBLEM_PATH_BYTES];

	path_key(list, parent, "endpoints");
	if (!settings->endpoints_count)
		problems_add(problems, list, "is empty; add one like http://10.0.0.1:2379");
	config->endpoint_count = settings->endpoints_count;
	for (unsigned i = 0; i < settings->endpoints_count; i++) {
		path_index(one, list, i);
		value_endpoint(settings->endpoints[i], one, config->endpoints[i], problems);
	}
}

/* ---- the rest ---- */

static void value_prefix(const char *text, const char *parent, char prefix[ETCD_PREFIX_BYTES],
	struct problems *problems)
{
	size_t length = text ? strlen(text) : 0;
	char path[PROBLEM_PATH_BYTES];

	value_text(prefix, ETCD_PREFIX_BYTES, text ? text : PREFIX_DEFAULT, parent, "prefix",
		problems);
	if (!text || (*text == '/' && length > 1 && text[length - 1] != '/'))
		return;
	path_key(path, parent, "prefix");
	problems_add(problems, path,
		"must begin with a '/', and not end with one, like " PREFIX_DEFAULT);
}

static void value_lease(
	const char *text, const char *parent, uint64_t *seconds, struct problems *problems)
{
	unsigned known = problems->count;
	uint64_t lease_ns = LEASE_NS_DEFAULT;
	char path[PROBLEM_PATH_BYTES];

	value_quantity(units_parse_duration_ns, text, parent, "lease", &lease_ns, problems);
	*seconds = lease_ns / NS_PER_S;
	if ((lease_ns >= LEASE_NS_MIN && lease_ns <= LEASE_NS_MAX) || problems->count > known)
		return;
	path_key(path, parent, "lease");
	problems_add(problems, path, "must be from 5s to 10min");
}

/* Two that are nothing without each other. */
static void check_pair(const char *one, const char *other, const char *parent, const char *names,
	struct problems *problems)
{
	if (!one != !other)
		problems_add(problems, parent, "%s go together; give both or neither", names);
}

static void values_of_etcd(const struct etcd_settings *settings, const char *path,
	struct etcd_config *config, struct problems *problems)
{
	value_endpoints(settings, path, config, problems);
	value_prefix(settings->prefix, path, config->prefix, problems);
	value_lease(settings->lease, path, &config->lease_s, problems);
	value_text(config->ca, sizeof config->ca, settings->ca, path, "ca", problems);
	value_text(config->cert, sizeof config->cert, settings->cert, path, "cert", problems);
	value_text(config->cert_key, sizeof config->cert_key, settings->cert_key, path, "cert_key",
		problems);
	value_text(config->user, sizeof config->user, settings->user, path, "user", problems);
	value_text(config->password_file, sizeof config->password_file, settings->password_file,
		path, "password_file", problems);
	check_pair(settings->cert, settings->cert_key, path, "'cert' and 'cert_key'", problems);
	check_pair(settings->user, settings->password_file, path, "'user' and 'password_file'",
		problems);
}

void values_of_cluster(const struct network_settings *settings, const char *path,
	struct cluster_config *config, struct problems *problems)
{
	struct directory_host *host = &config->host.host;
	char below[PROBLEM_PATH_BYTES];

	memset(config, 0, sizeof *config);
	path_key(below, path, "etcd");
	values_of_etcd(settings->etcd, below, &config->etcd, problems);
	path_key(below, path, "host");
	value_name(host->name, sizeof host->name, settings->host, below, problems);
	host->id = directory_id(host->name);
	host->endpoint.sin6_family = AF_INET6;
	host->endpoint.sin6_port = htons(AGENT_PORT_DEFAULT);
	path_key(below, path, "address");
	if (settings->address)
		value_agent_address(settings->address, below, &host->endpoint.sin6_addr, problems);
	else
		problems_add(problems, path,
			"'address' is missing; with 'etcd', add 'address: ...' of this host's "
			"agent");
	snprintf(config->cache, sizeof config->cache, "%s/%s.cluster", run_directory(), host->name);
}
