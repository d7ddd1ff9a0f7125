/* Where sockets go: /run/sluice for root, $XDG_RUNTIME_DIR/sluice for everybody else. */
#ifndef SLUICE_CONTROL_RUN_DIRECTORY_H
#define SLUICE_CONTROL_RUN_DIRECTORY_H

#include "base/error.h"

/* The directory's path; never NULL, not necessarily there yet. */
const char *run_directory(void);

/* Make it. Returns 0 or a negative errno with the directory and the mend in `error`. */
int run_directory_make(struct error *error);

/* Path of the control socket that daemon and command agree on when none is given. */
const char *run_directory_control_socket(void);

#endif
