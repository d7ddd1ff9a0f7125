/*
 * Where sockets go: $SLUICE_RUN_DIRECTORY; if that is not set, /run/sluice for root,
 * $XDG_RUNTIME_DIR/sluice for everybody else.
 */
#ifndef SLUICE_CONTROL_SOCKET_RUN_DIRECTORY_H
#define SLUICE_CONTROL_SOCKET_RUN_DIRECTORY_H

#include <stddef.h>

#include "base/error.h"

/* The directory's path; never NULL, not necessarily there yet. */
const char *run_directory(void);

/* Make it. Returns 0 or a negative errno with the directory and the mend in `error`. */
int run_directory_make(struct error *error);

/* Path of the control socket that daemon and command agree on when none is given. */
const char *run_directory_control_socket(void);

/* Where the control sockets of running VMs are: NAME.sock in its folder `vms`. */
int run_directory_make_for_vms(struct error *error);
void run_directory_vms(char *path, size_t size);
void run_directory_vm_socket(const char *name, char *path, size_t size);

#endif
