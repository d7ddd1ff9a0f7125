/*
 * What this daemon runs: its sidecores, pools and disks, and the configuration they were made from.
 *
 * All functions are for the one control thread. The configuration's lists and the arrays of running
 * things go in step: pools[i] was made from configuration->pools[i].
 */
#ifndef SLUICE_CONTROL_HOST_HOST_H
#define SLUICE_CONTROL_HOST_HOST_H

#include <stdbool.h>

#include "cluster/cluster.h"
#include "control/configuration/configuration.h"
#include "disk/disk.h"
#include "disk/pool.h"
#include "gatekeeper/agent.h"
#include "net/net_device.h"
#include "offload/host/module_supervisor.h"
#include "sidecore/sidecore.h"

struct host_disk {
	struct disk *disk;
	bool is_from_file; /* false: added over the control socket; a reload leaves it alone */
};

struct host_nic {
	struct net_device *device; /* that serves its guest; NULL: somebody else does */
	bool is_from_file;	   /* as of disks */
};

struct host {
	struct configuration *configuration; /* as it is now, changes over the socket included */
	struct sidecore **sidecores;
	unsigned sidecore_count;
	struct pool **pools;
	struct host_disk *disks;
	struct agent *agent;	 /* of the network; NULL: there is none */
	struct cluster *cluster; /* that tells the agent of others; NULL: the configuration does */
	struct host_nic *nics;
	struct module_supervisor **modules; /* NULL: not begun yet */
	struct module_supervisor *
		*leaving; /* modules that were removed or changed, and have not ended yet */
	unsigned leaving_count;
	int modules_fd;	     /* an eventfd that is rung as one of these ends */
	void (*ended)(void); /* the front end of the one disk on an inherited socket has gone */
	const char *file;    /* where the configuration came from; NULL: no file */
};

/*
 * Start everything in a configuration that has been checked. A disk that cannot be opened is logged
 * and left out, so that one lost image does not cost the others' guests their disks.
 *
 * @configuration: owned by the host from now on, whatever happens
 * @single_fd: socket to use for the first disk instead of its path, or -1
 */
int host_start(
	struct host *host, struct configuration *configuration, int single_fd, struct error *error);

/*
 * Stop the network, then destroy all disks, pools and sidecores.
 *
 * @is_final: put netdevs back as they were found; otherwise what the agent enforces stays in force for
 * a successor
 */
void host_stop(struct host *host, bool is_final);

/* Index of a disk, pool, vNIC or module; -ENOENT with the names there are in `error`. */
int host_find_disk(const struct host *host, const char *name, struct error *error);
int host_find_pool(const struct host *host, const char *name, struct error *error);
int host_find_nic(const struct host *host, const char *name, struct error *error);
int host_find_module(const struct host *host, const char *name, struct error *error);

/*
 * Add a disk. `settings` is taken over if that succeeds.
 * Returns 0, -EEXIST, -EINVAL for values that make no sense, or as disk_create.
 */
int host_add_disk(
	struct host *host, struct disk_settings *settings, bool is_from_file, struct error *error);

/* Remove a disk. Returns 0, or -EBUSY if its device does not answer; see disk_try_destroy. */
int host_remove_disk(struct host *host, unsigned index, struct error *error);

/* Change a disk; the new settings are taken over if that succeeds. Errors as disk_set_slo, disk_resize. */
int host_set_slo(
	struct host *host, unsigned index, struct slo_settings *settings, struct error *error);
int host_resize(struct host *host, unsigned index, const char *size, struct error *error);

/* Add all vNICs of the configuration. One that cannot be added is logged and left out. */
void host_start_nics(struct host *host);

/*
 * Add a vNIC. `settings` is taken over if that succeeds.
 * Returns 0; -EINVAL for values that make no sense, or for promises without a network; or as
 * agent_add_nic or net_device_create.
 */
int host_add_nic(
	struct host *host, struct nic_settings *settings, bool is_from_file, struct error *error);

/*
 * Give a vNIC other settings, of the same name; taken over if that succeeds. As agent_set_nic; -EINVAL
 * for another device.
 */
int host_set_nic(
	struct host *host, unsigned index, struct nic_settings *settings, struct error *error);

/* Remove a vNIC; its netdev is as it was before: not there, if its device made it. */
int host_remove_nic(struct host *host, unsigned index, struct error *error);

/*
 * Apply what has changed in the file. What cannot change while it runs is refused by name, and then
 * nothing is changed. Returns 0 or a negative errno with `error` set.
 */
int host_reload(struct host *host, struct error *error);

#endif
