/*
 * Which host serves which address: whom to tell what may be sent. Filled from the configuration (or,
 * on a fleet, from the cluster's store), and asked in every period.
 */
#ifndef SLUICE_GATEKEEPER_DIRECTORY_H
#define SLUICE_GATEKEEPER_DIRECTORY_H

#include <netinet/in.h>
#include <stdint.h>

#define DIRECTORY_NAME_BYTES 64

/* A host with an agent. */
struct directory_host {
	char name[DIRECTORY_NAME_BYTES];
	uint64_t id;		      /* its identity in datagrams: directory_id(name) */
	struct sockaddr_in6 endpoint; /* where its agent listens; IPv4 is mapped */
};

struct directory;

/* Returns NULL if there is no memory. */
struct directory *directory_create(void);
void directory_destroy(struct directory *directory);

/* The identity of the host of that name. */
uint64_t directory_id(const char *name);

/* Add a host, which is copied. Returns 0, -EEXIST if there is one of that name, or -ENOMEM. */
int directory_add_host(struct directory *directory, const struct directory_host *host);

/*
 * Say that the host of that name serves an address. Returns 0, -ENOENT if there is no such host,
 * -EEXIST if the address is another's, or -ENOMEM.
 */
int directory_add_address(
	struct directory *directory, const char *host, const struct in6_addr *address);

/* The host that serves an address, or has an identity; NULL if none does. Valid until destroyed. */
const struct directory_host *directory_of_address(
	const struct directory *directory, const struct in6_addr *address);
const struct directory_host *directory_of_id(const struct directory *directory, uint64_t id);

#endif
