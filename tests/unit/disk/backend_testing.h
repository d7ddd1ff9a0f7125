/* What tests of back ends share: a sidecore, requests to wait for, places to put images. */
#ifndef SLUICE_TESTS_BACKEND_TESTING_H
#define SLUICE_TESTS_BACKEND_TESTING_H

#include <limits.h>
#include <semaphore.h>
#include <stdint.h>

#include "disk/backend.h"

struct sidecore *testing_sidecore_start(void);

/* A request that a test's thread can wait for. */
struct testing_request {
	struct backend_request backend; /* filled in by the test but for `complete` */
	struct backend *on;
	int result;
	sem_t done;
};

/* Have it submitted on the sidecore, and go on. */
void testing_submit(
	struct sidecore *sidecore, struct backend *backend, struct testing_request *request);

/* Wait for its completion; returns its result. */
int testing_wait(struct testing_request *request);

/* Both for a request of one segment (none: NULL). */
int testing_do(struct sidecore *sidecore, struct backend *backend, enum backend_operation operation,
	uint64_t offset_bytes, void *memory, uint64_t length_bytes);

/* An empty directory of its own; remove it with what is in it. */
void testing_directory_create(char path[PATH_MAX]);
void testing_directory_remove(const char *path);

#define TESTING_DEVICE_BYTES 32

/*
 * Make a block device of a file, with such sectors. Returns its descriptor, with its path in `device`; -1 where that
 * cannot be done.
 */
int testing_loop_attach(int image_fd, unsigned sector_bytes, char device[TESTING_DEVICE_BYTES]);
void testing_loop_detach(int device_fd);

#endif
