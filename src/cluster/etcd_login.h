/* How a user of etcd's shows who it is. */
#ifndef SLUICE_CLUSTER_ETCD_LOGIN_H
#define SLUICE_CLUSTER_ETCD_LOGIN_H

#include <jansson.h>

#include "base/error.h"
#include "cluster/etcd_config.h"

/*
 * The request for a token: the configuration's user, with the password that is the first line of a file
 * which others cannot read. Returns 0 or a negative errno with the reason in `error`.
 */
int etcd_login_request(const struct etcd_config *config, json_t **request, struct error *error);

#endif
