/* The methods of the control protocol; their context is the `struct host`. */
#ifndef SLUICE_CONTROL_METHODS_METHODS_H
#define SLUICE_CONTROL_METHODS_METHODS_H

#include "control/socket/rpc.h"

/* All of them. */
extern const struct rpc_method control_methods[];

/* Those that have files of their own; see rpc.h. */
typedef int control_method(
	void *context, const json_t *params, json_t **result, struct error *error);

control_method method_disk_list, method_disk_show, method_disk_add, method_disk_remove,
	method_disk_set, method_nic_list, method_nic_show, method_nic_add, method_nic_set,
	method_nic_remove, method_net_show, method_module_list, method_module_show,
	method_module_restart;

#endif
