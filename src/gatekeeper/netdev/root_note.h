/*
 * What a netdev had at its root before us, written down for whoever comes after us.
 *
 * Theory of operation. The note is the very message that puts the qdisc back (root_qdisc.h), in a file
 * that is either there whole or not at all. It is for the time that the netdev exists, so it belongs on
 * a tmpfs and is not synced. Whoever reads it trusts neither its bytes nor its age.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_ROOT_NOTE_H
#define SLUICE_GATEKEEPER_NETDEV_ROOT_NOTE_H

#include "gatekeeper/netdev/root_qdisc.h"

/* Path of a netdev's note; the caller's to free; NULL without memory. */
char *root_note_path(const char *state_directory, const char *netdev);

/* Write it in the place of what is there. Returns 0 or a negative errno. */
int root_note_write(const char *path, const struct root_qdisc *qdisc);

/*
 * What may be in such a file.
 *
 * @note: aligned to 4
 * Returns 0; -EBADMSG if it is nothing that we could have written.
 */
int root_note_parse(const void *note, size_t bytes, struct root_qdisc *qdisc);

/*
 * Read it.
 *
 * Returns 0; -ENOENT if there is none; -EBADMSG as root_note_parse; -ESTALE if it is about another
 * netdev than `ifindex`; or another negative errno.
 */
int root_note_read(const char *path, int ifindex, struct root_qdisc *qdisc);

/* Remove it, if it is there. Returns 0 or a negative errno. */
int root_note_remove(const char *path);

#endif
