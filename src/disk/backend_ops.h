/* The back ends there are; each is defined in the file of its name. */
#ifndef SLUICE_DISK_BACKEND_OPS_H
#define SLUICE_DISK_BACKEND_OPS_H

#include "disk/backend.h"

extern const struct backend_ops backend_file_ops;
extern const struct backend_ops backend_ram_ops;
extern const struct backend_ops backend_null_ops;

#endif
