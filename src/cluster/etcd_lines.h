/*
 * What etcd's gateway streams, cut into lines: each is one JSON object, however it arrives.
 */
#ifndef SLUICE_CLUSTER_ETCD_LINES_H
#define SLUICE_CLUSTER_ETCD_LINES_H

#include <stddef.h>

/*
 * etcd sends at most 1.5 MiB at once, of which base64 makes 2 MiB; the rest is room for what is
 * around it.
 */
#define ETCD_OBJECT_BYTES_MAX (4u << 20)

/* One line, without its end; returns 0, or a negative errno that ends the stream. */
typedef int etcd_line_handler(void *context, const char *line, size_t bytes);

/* Starts as zeroes. */
struct etcd_lines {
	char *bytes; /* of a line that has not ended */
	size_t used, capacity;
};

/*
 * Take what has come, and hand on each line that is whole; empty ones are skipped. Returns 0;
 * -EMSGSIZE for a line beyond ETCD_OBJECT_BYTES_MAX; -ENOMEM; or what the handler returned. After an
 * error the rest of the stream makes no sense.
 */
int etcd_lines_feed(struct etcd_lines *lines, const char *bytes, size_t count,
	etcd_line_handler *handler, void *context);

/* Forget what has come, and give the memory back. */
void etcd_lines_reset(struct etcd_lines *lines);

/*
 * Append to the line that has not ended: for an answer that is one object. Returns 0, -EMSGSIZE or
 * -ENOMEM.
 */
int etcd_lines_append(struct etcd_lines *lines, const char *bytes, size_t count);

#endif
