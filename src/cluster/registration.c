#include "cluster/registration.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/key_map.h"
#include "cluster/etcd_keys.h"

struct wish {
	struct key_map_node node; /* by key */
	char *value;		  /* NULL: the key is to go */
	uint64_t version;	  /* grows with each change */
	uint64_t done;		  /* the version that etcd has; 0: none */
	char key[ETCD_KEY_BYTES_MAX + 1];
};

/* What is being put, and which wishes that fulfils. */
struct batch {
	struct etcd_change changes[ETCD_CHANGES_MAX];
	char *values[ETCD_CHANGES_MAX];
	uint64_t versions[ETCD_CHANGES_MAX];
	unsigned count;
};

struct registration {
	uint64_t lease_s;
	int64_t lease; /* 0: none */
	uint64_t renew_ns;
	pthread_mutex_t lock; /* of what follows */
	struct key_map wishes;
	uint64_t version;
	struct batch batch; /* the cluster's thread's alone */
};

struct registration *registration_create(uint64_t lease_s)
{
	struct registration *registration = calloc(1, sizeof *registration);

	if (!registration)
		return NULL;
	registration->lease_s = lease_s;
	pthread_mutex_init(&registration->lock, NULL);
	return registration;
}

static struct wish *find_wish(const struct registration *registration, const char *key)
{
	struct key_map_node *node = key_map_find(&registration->wishes, key, strlen(key));

	return node ? container_of(node, struct wish, node) : NULL;
}

static void drop(struct registration *registration, struct wish *wish)
{
	key_map_remove(&registration->wishes, &wish->node);
	free(wish->value);
	free(wish);
}

void registration_destroy(struct registration *registration)
{
	struct key_map_node *node;

	while ((node = key_map_next(&registration->wishes, NULL)))
		drop(registration, container_of(node, struct wish, node));
	pthread_mutex_destroy(&registration->lock);
	free(registration);
}

/* ---- wishes ---- */

static struct wish *add_wish(struct registration *registration, const char *key)
{
	struct wish *wish = calloc(1, sizeof *wish);

	if (!wish)
		return NULL;
	snprintf(wish->key, sizeof wish->key, "%s", key);
	if (key_map_add(&registration->wishes, &wish->node, wish->key, strlen(wish->key)) < 0) {
		free(wish);
		return NULL;
	}
	return wish; /* NOLINT(clang-analyzer-unix.Malloc): the map has it */
}

static int set(struct registration *registration, const char *key, char *value)
{
	struct wish *wish = find_wish(registration, key);

	if (!wish && !value)
		return 0;
	if (!wish)
		wish = add_wish(registration, key);
	if (!wish)
		return -ENOMEM;
	free(wish->value);
	wish->value = value;
	wish->version = ++registration->version;
	return 0;
}

int registration_set(struct registration *registration, const char *key, const char *value)
{
	char *copy = value ? strdup(value) : NULL;
	int result;

	if (value && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&registration->lock);
	result = set(registration, key, copy);
	pthread_mutex_unlock(&registration->lock);
	if (result < 0)
		free(copy);
	return result;
}

void registration_notice(struct registration *registration, const char *key)
{
	struct wish *wish;

	pthread_mutex_lock(&registration->lock);
	wish = find_wish(registration, key);
	if (wish)
		wish->done = 0;
	pthread_mutex_unlock(&registration->lock);
}

/* ---- fulfilling them ---- */

static void add_to_batch(struct batch *batch, const struct wish *wish)
{
	struct etcd_change *change = &batch->changes[batch->count];
	char *value = wish->value ? strdup(wish->value) : NULL;

	if (wish->value && !value)
		return;
	memcpy(change->key, wish->key, sizeof change->key);
	change->value = value;
	batch->values[batch->count] = value;
	batch->versions[batch->count++] = wish->version;
}

static void gather(struct registration *registration)
{
	const struct key_map_node *node = NULL;

	registration->batch.count = 0;
	pthread_mutex_lock(&registration->lock);
	while (registration->batch.count < ETCD_CHANGES_MAX &&
		(node = key_map_next(&registration->wishes, node))) {
		const struct wish *wish = container_of(node, struct wish, node);

		if (wish->done != wish->version)
			add_to_batch(&registration->batch, wish);
	}
	pthread_mutex_unlock(&registration->lock);
}

/* What was wished for meanwhile is not fulfilled by this. */
static void note_done(struct registration *registration)
{
	const struct batch *batch = &registration->batch;

	pthread_mutex_lock(&registration->lock);
	for (unsigned i = 0; i < batch->count; i++) {
		struct wish *wish = find_wish(registration, batch->changes[i].key);

		if (!wish)
			continue;
		wish->done = batch->versions[i];
		if (!wish->value && wish->done == wish->version)
			drop(registration, wish);
	}
	pthread_mutex_unlock(&registration->lock);
}

static int put_all(
	struct registration *registration, struct etcd_client *client, struct error *error)
{
	struct batch *batch = &registration->batch;
	int result = 0;

	for (;;) {
		gather(registration);
		if (!batch->count)
			return 0;
		result = etcd_change_keys(
			client, batch->changes, batch->count, registration->lease, error);
		if (result == 0)
			note_done(registration);
		for (unsigned i = 0; i < batch->count; i++)
			free(batch->values[i]);
		if (result < 0)
			return result;
	}
}

/* ---- the lease ---- */

void registration_begin_anew(struct registration *registration)
{
	struct key_map_node *node = NULL;

	registration->lease = 0;
	pthread_mutex_lock(&registration->lock);
	while ((node = key_map_next(&registration->wishes, node)))
		container_of(node, struct wish, node)->done = 0;
	pthread_mutex_unlock(&registration->lock);
}

/* A third of its time, so that two attempts may fail. */
static int keep_lease(struct registration *registration, struct etcd_client *client,
	uint64_t now_ns, struct error *error)
{
	int result = 0;

	if (registration->lease && now_ns < registration->renew_ns)
		return 0;
	if (registration->lease)
		result = etcd_keep_lease(client, registration->lease, error);
	if (result == -ENOENT)
		registration_begin_anew(registration);
	if (!registration->lease)
		result = etcd_grant_lease(
			client, registration->lease_s, &registration->lease, error);
	if (result == 0)
		registration->renew_ns = now_ns + registration->lease_s * NS_PER_S / 3;
	return result;
}

int registration_keep(struct registration *registration, struct etcd_client *client,
	uint64_t now_ns, struct error *error)
{
	int result = keep_lease(registration, client, now_ns, error);

	if (result == 0)
		result = put_all(registration, client, error);
	if (result == -ENOENT)
		registration_begin_anew(registration);
	return result;
}

uint64_t registration_due_ns(struct registration *registration)
{
	const struct key_map_node *node = NULL;
	uint64_t due_ns = registration->lease ? registration->renew_ns : 0;

	pthread_mutex_lock(&registration->lock);
	while (due_ns && (node = key_map_next(&registration->wishes, node))) {
		const struct wish *wish = container_of(node, struct wish, node);

		if (wish->done != wish->version)
			due_ns = 0;
	}
	pthread_mutex_unlock(&registration->lock);
	return due_ns;
}

int registration_end(
	struct registration *registration, struct etcd_client *client, struct error *error)
{
	int64_t lease = registration->lease;

	registration->lease = 0;
	return lease ? etcd_revoke_lease(client, lease, error) : 0;
}
