/* What the settings of a network mean whose hosts find each other in etcd; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_CLUSTER_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_CLUSTER_VALUES_H

#include "cluster/cluster.h"
#include "control/configuration/configuration.h"

/* This host, and its etcd. @settings: with `etcd` */
void values_of_cluster(const struct network_settings *settings, const char *path,
	struct cluster_config *config, struct problems *problems);

#endif
