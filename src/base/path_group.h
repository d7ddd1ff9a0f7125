/*
 * Which group may use a socket or file that was made for others.
 */
#ifndef SLUICE_BASE_PATH_GROUP_H
#define SLUICE_BASE_PATH_GROUP_H

#include "base/error.h"

/*
 * Let the members of a group read and write `path`, and nobody else but its owner. A group that was asked for must have it; the
 * default one need not exist, nor be one that we may give things to: what then stays with the owner's group is logged.
 *
 * @asked: its name; NULL or empty: nobody asked, @by_default it is
 * Returns 0 or a negative errno with `error` set, -ENOENT if there is no group that was asked for.
 */
int path_give_to_group(
	const char *path, const char *asked, const char *by_default, struct error *error);

#endif
