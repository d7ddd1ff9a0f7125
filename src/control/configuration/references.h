/* From the name of a thing to its place in the configuration. */
#ifndef SLUICE_CONTROL_CONFIGURATION_REFERENCES_H
#define SLUICE_CONTROL_CONFIGURATION_REFERENCES_H

#include "control/configuration/configuration.h"

/*
 * The index of the pool that a disk or module is on: the one that `name` says, or the only one if that is NULL;
 * -1 with the reason, and the names there are, in `problems`.
 */
int reference_to_pool(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems);

/*
 * The sidecore of a pool likewise. A configuration without sidecores has one of default settings:
 * then the answer is -1, and that is no problem.
 */
int reference_to_sidecore(const struct configuration *configuration,
	const struct pool_settings *pool, const char *path, struct problems *problems);

/* Of a vNIC's device likewise: the one it names, or the first if it names none. */
int reference_of_device(const struct configuration *configuration,
	const struct device_settings *device, const char *path, struct problems *problems);

/* The disk, NIC or module of that name; -1 with the reason, and the names there are, in `problems`. */
int reference_to_disk(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems);
int reference_to_nic(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems);
int reference_to_module(const struct configuration *configuration, const char *name,
	const char *path, struct problems *problems);

/* The VM of that name; -ENOENT with the names there are in `error`. */
int reference_to_vm(
	const struct configuration *configuration, const char *name, struct error *error);

#endif
