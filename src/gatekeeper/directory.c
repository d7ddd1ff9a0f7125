#include "gatekeeper/directory.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/key_map.h"

struct host_entry {
	struct directory_host host;
	struct key_map_node node;
};

struct address_entry {
	struct in6_addr address;
	const struct host_entry *host;
	struct key_map_node node;
};

struct directory {
	struct key_map hosts;	  /* by id */
	struct key_map addresses; /* by address */
};

struct directory *directory_create(void)
{
	return calloc(1, sizeof(struct directory));
}

void directory_destroy(struct directory *directory)
{
	struct key_map_node *node;

	while ((node = key_map_next(&directory->addresses, NULL))) {
		key_map_remove(&directory->addresses, node);
		free(container_of(node, struct address_entry, node));
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

int directory_add_address(
	struct directory *directory, const char *host, const struct in6_addr *address)
{
	const struct host_entry *served_by = find_host(directory, directory_id(host));
	struct address_entry *entry;

	if (!served_by)
		return -ENOENT;
	if (directory_of_address(directory, address))
		return -EEXIST;
	entry = calloc(1, sizeof *entry);
	if (!entry)
		return -ENOMEM;
	entry->address = *address;
	entry->host = served_by;
	if (key_map_add(&directory->addresses, &entry->node, &entry->address,
		    sizeof entry->address) < 0) {
		free(entry);
		return -ENOMEM;
	}
	return 0; /* NOLINT(clang-analyzer-unix.Malloc): the map has it */
}

const struct directory_host *directory_of_address(
	const struct directory *directory, const struct in6_addr *address)
{
	struct key_map_node *node = key_map_find(&directory->addresses, address, sizeof *address);

	return node ? &container_of(node, struct address_entry, node)->host->host : NULL;
}

const struct directory_host *directory_of_id(const struct directory *directory, uint64_t id)
{
	const struct host_entry *entry = find_host(directory, id);

	return entry ? &entry->host : NULL;
}
