/*
 * What etcd's HTTP gateway answers, as plain structures.
 *
 * Theory of operation. The gateway speaks the gRPC messages as JSON: numbers of 64 bits as strings,
 * keys and values as base64, and what is zero is left out. Nothing here is trusted: whatever is not of
 * that form is an error, and no text is longer than the answer it came in.
 */
#ifndef SLUICE_CLUSTER_ETCD_ANSWER_H
#define SLUICE_CLUSTER_ETCD_ANSWER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which cluster answered, and the revision of its keys then. */
struct etcd_header {
	uint64_t cluster_id;
	int64_t revision;
};

/* A key that is there, or was deleted. Both texts may contain anything, and a zero byte follows each. */
struct etcd_pair {
	const char *key;
	size_t key_bytes;
	const char *value;
	size_t value_bytes;
	int64_t mod_revision;	 /* of the last change, deletion included */
	int64_t create_revision; /* since when it has been there without a break */
	bool is_deleted;
};

typedef void etcd_pair_handler(void *context, const struct etcd_pair *pair);

/* One object of a watch's stream. */
struct etcd_watch_answer {
	struct etcd_header header;
	bool is_created;	  /* the watch has begun */
	bool is_canceled;	  /* it has ended, and says why */
	bool is_fragment;	  /* more of the same moment follows */
	int64_t events_revision;  /* of the last event; 0: there was none */
	int64_t compact_revision; /* not 0: what was asked for is no longer known */
	char reason[256];
};

/* Functions return 0, or -EBADMSG for what is not an answer of etcd's, or -ENOMEM. */

/* An answer's header; also that of an answer that is one object of a stream. */
int etcd_answer_header(const json_t *answer, struct etcd_header *header);

/* The number of a key of the answer, 0 if it is not there. */
int etcd_answer_number(const json_t *answer, const char *key, int64_t *number);

/*
 * The keys that a range found, in their order. Each is handed on in turn: an error may come after some
 * have been.
 *
 * @is_more: there are more keys than were asked for
 */
int etcd_answer_pairs(
	const json_t *answer, etcd_pair_handler *handler, void *context, bool *is_more);

/* One line of a watch's stream, and its events, likewise. */
int etcd_answer_watch(const char *line, size_t bytes, struct etcd_watch_answer *answer,
	etcd_pair_handler *handler, void *context);

/* What went wrong, in the answer's own words; NULL if it says nothing. */
const char *etcd_answer_error(const json_t *answer);

/* Text to base64, as JSON; NULL without memory. */
json_t *etcd_encode(const char *text, size_t bytes);

#endif
