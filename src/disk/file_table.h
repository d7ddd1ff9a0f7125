/*
 * Files registered with a sidecore's io_uring, so that operations on them need neither a look-up
 * nor a reference of their own. One table per sidecore, shared by all that register files with it;
 * it comes with the first file and goes with the last. For control threads.
 */
#ifndef SLUICE_DISK_FILE_TABLE_H
#define SLUICE_DISK_FILE_TABLE_H

#include "sidecore/sidecore.h"

#define FILE_TABLE_NO_SLOT (-1)

/*
 * Register a file. Returns its slot, for use with IOSQE_FIXED_FILE, or FILE_TABLE_NO_SLOT if it has
 * to be used by its descriptor: the table is full, or the kernel refused.
 */
int file_table_add(struct sidecore *sidecore, int fd);

/* Take a file out; the kernel lets go of it. FILE_TABLE_NO_SLOT is ignored. */
void file_table_remove(struct sidecore *sidecore, int slot);

#endif
