/*
 * Who is where in the cluster: which host serves which vNICs, and by which addresses these are known.
 * Filled from the configuration (or, on a fleet, from the cluster's store), and asked in every period.
 *
 * A vNIC may have several addresses. Between agents its first one stands for it, so that a limit is on
 * the vNIC and not on each address.
 */
#ifndef SLUICE_GATEKEEPER_DIRECTORY_H
#define SLUICE_GATEKEEPER_DIRECTORY_H

#include <netinet/in.h>
#include <stdint.h>

#define DIRECTORY_NAME_BYTES 64
#define DIRECTORY_ADDRESSES_MAX 16u /* of one vNIC */

/* A host with an agent. */
struct directory_host {
	char name[DIRECTORY_NAME_BYTES];
	uint64_t id;		      /* its identity in datagrams: directory_id(name) */
	struct sockaddr_in6 endpoint; /* where its agent listens; IPv4 is mapped */
};

/* A vNIC, here or on another host. */
struct directory_nic {
	char name[DIRECTORY_NAME_BYTES]; /* empty: only its addresses are known */
	const struct directory_host *host;
	unsigned address_count;
	struct in6_addr addresses[DIRECTORY_ADDRESSES_MAX]; /* IPv4 is mapped */
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
 * Say that the host of that name serves a vNIC, which is copied; `nic->host` is not looked at. Returns
 * 0; -ENOENT if there is no such host; -EINVAL without an address, or with too many; -EEXIST if some
 * of its addresses are another vNIC's, who keeps them (the others are entered); or -ENOMEM.
 */
int directory_add_nic(
	struct directory *directory, const char *host, const struct directory_nic *nic);

/* The vNIC that has an address; the host that has an identity; NULL if none has. Valid until destroyed. */
const struct directory_nic *directory_nic_at(
	const struct directory *directory, const struct in6_addr *address);
const struct directory_host *directory_host_of(const struct directory *directory, uint64_t id);

#endif
