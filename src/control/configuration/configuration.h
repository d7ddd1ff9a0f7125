/*
 * The configuration: what sluice.yaml says, as one tree of plain structures shared by the parser,
 * the control protocol (whose `disk.add` takes the same keys) and the printer.
 *
 * Theory of operation. The tree keeps values as they were written ("5ms"), so that saving gives back
 * what a person wrote; NULL is "not given". What the values mean is computed from them by
 * values.h, which also checks them. Loading happens in this order, each step only if the one before
 * found nothing wrong: YAML syntax (yaml_tree.h), keys and types (yaml_check.h), filling the tree
 * (libcyaml), values and references (configuration_check.h).
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_H
#define SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/configuration/problems.h"

#define CONFIGURATION_FILE_DEFAULT "/etc/sluice/sluice.yaml"
#define CONFIGURATION_BYTES_MAX (4u << 20)
#define CONFIGURATION_SIDECORES_MAX 256u
#define CONFIGURATION_POOLS_MAX 256u
#define CONFIGURATION_HOSTS_MAX 4096u
#define CONFIGURATION_ADDRESSES_MAX 1024u
#define CONFIGURATION_VMS_MAX 1024u
#define CONFIGURATION_MODULES_MAX 256u

struct control_settings {
	char *socket;
	char *group;
	char *metrics;
};

struct sidecore_settings {
	char *name;
	uint16_t *cpu;
	char *poll;
};

struct price_settings {
	char *operation; /* cost units */
	char *kib;
};

struct prices_settings {
	struct price_settings *random;
	struct price_settings *sequential;
};

struct cost_settings {
	struct prices_settings *read;
	struct prices_settings *write;
	char *flush;
};

struct pool_settings {
	char *name;
	char *sidecore;
	char *backend;
	char *path;
	char *capacity;
	char *latency;
	bool *enforce;
	uint32_t *in_flight;
	bool *page_cache;
	char *largest_request;
	struct cost_settings *cost;
};

struct tier_settings {
	char *burst;
	char *rate;
	char *within;
};

struct limit_settings {
	char *iops;
	char *iops_burst;
	char *bytes_per_s;
	char *bytes_burst;
};

struct slo_settings {
	uint32_t *weight;
	struct tier_settings *tiers;
	uint32_t tiers_count;
	struct limit_settings *limit;
};

struct disk_settings {
	char *name;
	char *pool;
	char *image;
	char *size;
	uint32_t *queues;
	bool *read_only;
	char *serial;
	char *socket;
	struct slo_settings *slo;
};

/* Another host with an agent, or this one. */
struct agent_host_settings {
	char *name;
	char *address;
	char **serves; /* addresses of vNICs */
	uint32_t serves_count;
};

/* Where the cluster's hosts find each other. */
struct etcd_settings {
	char **endpoints;
	uint32_t endpoints_count;
	char *prefix;
	char *lease;
	char *ca;
	char *cert;
	char *cert_key;
	char *user;
	char *password_file;
};

struct network_settings {
	char *host;    /* this one's name, among `hosts` if there are some */
	char *address; /* of this host's agent, if there are none */
	char *uplink;
	char *link;
	char *key;
	char *period;
	struct agent_host_settings *hosts;
	uint32_t hosts_count;
	struct etcd_settings *etcd;
};

struct bandwidth_settings {
	char *min;
	char *max;
};

/* That sluiced serves the vNIC's guest itself. */
struct device_settings {
	char *sidecore;
	char *socket;
	char *mac;
	uint32_t *queues;
	uint32_t *mtu;
};

struct nic_settings {
	char *name;
	char *netdev;
	char **addresses;
	uint32_t addresses_count;
	struct bandwidth_settings *send;
	struct bandwidth_settings *receive;
	uint32_t *weight;
	struct device_settings *device;
};

struct hypervisor_core_settings {
	uint16_t *cpu;
	char *poll;
};

/* A VM that `sluice vm run` can run; sluiced only checks and keeps it. */
struct vm_settings {
	char *name;
	char *memory;
	uint32_t *cpus;
	uint16_t *guest_cores;
	uint32_t guest_cores_count;
	struct hypervisor_core_settings *hypervisor_core;
	bool *split;
	bool *dedicated;
	bool *exit_rings;
	char *huge_pages;
	char *kernel;
	char *initrd;
	char *command_line;
	char **disks; /* names, or paths of sockets */
	uint32_t disks_count;
	char **nics;
	uint32_t nics_count;
	char **modules;
	uint32_t modules_count;
	char *user;
	char *grace;
};

/* A module that sluiced keeps running. */
struct module_settings {
	char *name;
	char *module; /* a name, or the path of a shared object */
	char *directory;
	char *socket;
	char *group; /* of the socket */
	char *region;
	char *doorbell;
	uint16_t *cpu;
	char *poll;
	uint32_t *connections;
	char *user;
	char *memory_limit;
	char *cpu_limit;
	char **options; /* NAME=VALUE */
	uint32_t options_count;
	char *pool; /* that its I/O is charged to */
	struct slo_settings *slo;
};

struct configuration {
	struct control_settings *control;
	struct sidecore_settings *sidecores;
	uint32_t sidecores_count;
	struct pool_settings *pools;
	uint32_t pools_count;
	struct disk_settings *disks;
	uint32_t disks_count;
	struct network_settings *network;
	struct nic_settings *nics;
	uint32_t nics_count;
	struct vm_settings *vms;
	uint32_t vms_count;
	struct module_settings *modules;
	uint32_t modules_count;
};

/*
 * Load a text. Everything that is wrong is added to `problems`, sorted by line; *configuration is
 * set only if that is nothing, and is then the caller's, to be freed with configuration_free.
 */
void configuration_load(const char *text, size_t length, struct configuration **configuration,
	struct problems *problems);

/* The same for a file. Returns 0, -EINVAL if there are problems, or the reason it cannot be read. */
int configuration_load_file(const char *file, struct configuration **configuration,
	struct problems *problems, struct error *error);

/*
 * The same for one entry of `disks`, one `slo`, and one entry of `nics`, as the control protocol
 * carries them (JSON, which is YAML). Values and references are not checked: that needs the pools.
 */
void configuration_load_disk(
	const char *text, size_t length, struct disk_settings **disk, struct problems *problems);
void configuration_load_slo(
	const char *text, size_t length, struct slo_settings **slo, struct problems *problems);
void configuration_load_nic(
	const char *text, size_t length, struct nic_settings **nic, struct problems *problems);

/*
 * One VM, the keys of an entry of `vms`: a file; and a text whose keys replace those of `*vm`, if there
 * is one. Values and references are not checked: that needs the whole.
 */
int configuration_load_vm_file(
	const char *file, struct vm_settings **vm, struct problems *problems, struct error *error);
void configuration_load_vm(
	const char *text, size_t length, struct vm_settings **vm, struct problems *problems);

void configuration_free(struct configuration *configuration);
void configuration_free_disk(struct disk_settings *disk);
void configuration_free_slo(struct slo_settings *slo);
void configuration_free_nic(struct nic_settings *nic);
void configuration_free_vm(struct vm_settings *vm);

/* A copy of its own memory, or NULL. */
struct slo_settings *configuration_copy_slo(const struct slo_settings *slo);

/* Write it as YAML text, to be freed with free(). Returns 0 or -ENOMEM. */
int configuration_save(const struct configuration *configuration, char **text, size_t *length);

#endif
