/* The methods of the control protocol; their context is the `struct host`. */
#ifndef SLUICE_CONTROL_METHODS_H
#define SLUICE_CONTROL_METHODS_H

#include "control/rpc.h"

extern const struct rpc_method control_methods[];

#endif
