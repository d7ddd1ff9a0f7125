#include "gatekeeper/directory.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/container.h"
#include "base/key_map.h"

struct host_entry {
	struct directory_host host;
	struct key_map_node node;
};

struct nic_entry;

struct address_entry {
	struct nic_entry *nic;
	struct key_map_node node; /* by address, which stands in the vNIC's list */
};

struct nic_entry {
	struct directory_nic nic; /* with those of its addresses that are not another's */
	TAILQ_ENTRY(nic_entry) link;
	struct address_entry addresses[]; /* one for each of those */
};

struct directory {
	struct key_map hosts;	  /* by id */
	struct key_map addresses; /* of address_entry */
	TAILQ_HEAD(, nic_entry) nics;
};

struct directory *directory_create(void)
{
	struct directory *directory = calloc(1, sizeof *directory);

	if (directory)
		TAILQ_INIT(&directory->nics);
	return directory;
}

static void free_nic(struct directory *directory, struct nic_entry *entry)
{
	for (unsigned i = 0; i < entry->nic.address_count; i++)
		key_map_remove(&directory->addresses, &entry->addresses[i].node);
	free(entry);
}

void directory_destroy(struct directory *directory)
{
	struct key_map_node *node;
	struct nic_entry *entry;

	while ((entry = TAILQ_FIRST(&directory->nics))) {
		TAILQ_REMOVE(&directory->nics, entry, link);
		free_nic(directory, entry);
	}
	while ((node = key_map_next(&directory->hosts, NULL))) {
		key_map_remove(&directory->hosts, node);
		free(container_of(node, struct host_entry, node));
	}
	free(directory);
}

uint64_t directory_id(const char *name)
{
	uint64_t id;

	crypto_generichash((unsigned char *)&id, sizeof id, (const unsigned char *)name,
		strlen(name), NULL, 0);
	return id;
}

static struct host_entry *find_host(const struct directory *directory, uint64_t id)
{
	struct key_map_node *node = key_map_find(&directory->hosts, &id, sizeof id);

	return node ? container_of(node, struct host_entry, node) : NULL;
}

int directory_add_host(struct directory *directory, const struct directory_host *host)
{
	struct host_entry *entry;

	if (find_host(directory, host->id))
		return -EEXIST;
	entry = calloc(1, sizeof *entry);
	if (!entry)
		return -ENOMEM;
	entry->host = *host;
	if (key_map_add(&directory->hosts, &entry->node, &entry->host.id, sizeof entry->host.id) <
		0) {
		free(entry);
		return -ENOMEM;
	}
	return 0; /* NOLINT(clang-analyzer-unix.Malloc): the map has it */
}

/* Enter one more address, unless it is another's. */
static int add_address(
	struct directory *directory, struct nic_entry *entry, const struct in6_addr *address)
{
	unsigned last = entry->nic.address_count;
	int result;

	if (key_map_find(&directory->addresses, address, sizeof *address))
		return -EEXIST;
	entry->nic.addresses[last] = *address;
	entry->addresses[last].nic = entry;
	result = key_map_add(&directory->addresses, &entry->addresses[last].node,
		&entry->nic.addresses[last], sizeof *address);
	if (result == 0)
		entry->nic.address_count++;
	return result;
}

int directory_add_nic(
	struct directory *directory, const char *host, const struct directory_nic *nic)
{
	const struct host_entry *served_by = find_host(directory, directory_id(host));
	struct nic_entry *entry;
	int result = 0;

	if (!served_by)
		return -ENOENT;
	if (!nic->address_count || nic->address_count > DIRECTORY_ADDRESSES_MAX)
		return -EINVAL;
	entry = calloc(1, sizeof *entry + nic->address_count * sizeof *entry->addresses);
	if (!entry)
		return -ENOMEM;
	memcpy(entry->nic.name, nic->name, sizeof entry->nic.name);
	entry->nic.host = &served_by->host;
	for (unsigned i = 0; i < nic->address_count && result != -ENOMEM; i++) {
		int added = add_address(directory, entry, &nic->addresses[i]);

		result = added < 0 ? added : result;
	}
	if (entry->nic.address_count)
		TAILQ_INSERT_TAIL(&directory->nics, entry, link);
	else
		free(entry);
	return result; /* NOLINT(clang-analyzer-unix.Malloc): the list has it */
}

const struct directory_nic *directory_nic_at(
	const struct directory *directory, const struct in6_addr *address)
{
	struct key_map_node *node = key_map_find(&directory->addresses, address, sizeof *address);

	return node ? &container_of(node, struct address_entry, node)->nic->nic : NULL;
}

const struct directory_host *directory_host_of(const struct directory *directory, uint64_t id)
{
	const struct host_entry *entry = find_host(directory, id);

	return entry ? &entry->host : NULL;
}
