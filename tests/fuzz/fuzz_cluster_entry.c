/*
 * One key of the cluster and its value, separated by a zero byte: what is accepted is in bounds,
 * and can be written.
 */
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(const char *text, size_t bytes, struct cluster_entry *entry)
{
	size_t key_bytes = strnlen(text, bytes);
	size_t value = key_bytes < bytes ? key_bytes + 1 : bytes;
	const struct etcd_pair pair = {.key = text,
		.key_bytes = key_bytes,
		.value = text + value,
		.value_bytes = bytes - value};
	struct error error;

	return cluster_entry_parse("/s", &pair, entry, &error);
}

static char *write_entry(const struct cluster_entry *entry, char key[ETCD_KEY_BYTES_MAX + 1])
{
	if (entry->kind == CLUSTER_HOST) {
		cluster_host_key("/s", entry->host.host.name, key);
		return cluster_host_value(&entry->host);
	}
	cluster_nic_key("/s", entry->nic.host, entry->nic.config.name, key);
	return cluster_nic_value(&entry->nic.config);
}

/* What was read says the same when it is written and read again. */
static void check(const struct cluster_entry *entry)
{
	char key[ETCD_KEY_BYTES_MAX + 1], same_key[ETCD_KEY_BYTES_MAX + 1];
	char *value = write_entry(entry, key), *same_value;
	struct cluster_entry again;
	struct etcd_pair pair;
	struct error error;

	if (!value)
		abort();
	pair = (struct etcd_pair){
		.key = key, .key_bytes = strlen(key), .value = value, .value_bytes = strlen(value)};
	if (cluster_entry_parse("/s", &pair, &again, &error) < 0)
		abort();
	same_value = write_entry(&again, same_key);
	if (!same_value || strcmp(value, same_value) != 0 || strcmp(key, same_key) != 0)
		abort();
	free(value);
	free(same_value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cluster_entry entry;

	/* A link that is not said is 0, which a host that writes never says. */
	if (parse((const char *)data, size, &entry) == 0 &&
		(entry.kind == CLUSTER_NIC || entry.host.link_bytes_per_s))
		check(&entry);
	return 0;
}
