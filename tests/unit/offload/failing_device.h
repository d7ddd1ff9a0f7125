/* A device that fails, as the commit log sees it: calls that only the log makes, in this process. */
#ifndef SLUICE_TESTS_FAILING_DEVICE_H
#define SLUICE_TESTS_FAILING_DEVICE_H

/* The errno with which the log's writes fail; 0: they do not. */
extern int failing_write;

#endif
