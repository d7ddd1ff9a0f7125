/* A device that fails, as the commit log sees it: calls for which this process has its own. */
#ifndef SLUICE_TESTS_FAILING_DEVICE_H
#define SLUICE_TESTS_FAILING_DEVICE_H

/* The errno with which they fail; 0: they do not. */
extern int failing_write; /* of the log alone */
extern int failing_sync;  /* of a directory, or of what RocksDB has */

#endif
