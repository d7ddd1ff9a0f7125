#include "cluster/cluster_state.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/key_map.h"
#include "base/log_source.h"

struct record {
	struct key_map_node node; /* by key */
	int64_t mod_revision;
	int64_t create_revision;
	uint64_t reading; /* the last one that found it */
	struct cluster_entry *entry;
	char *value;
	char key[]; /* ends in a zero byte */
};

struct cluster_state {
	const char *prefix;
	struct key_map records;
	uint64_t version;
	uint64_t reading;
	unsigned counts[2]; /* by kind */
	struct log_source log;
};

struct cluster_state *cluster_state_create(const char *prefix)
{
	struct cluster_state *state = calloc(1, sizeof *state);

	if (state)
		*state = (struct cluster_state){.prefix = prefix, .log = {.name = "cluster"}};
	return state;
}

/* ---- records ---- */

static struct record *find_record(
	const struct cluster_state *state, const char *key, size_t key_bytes)
{
	struct key_map_node *node = key_map_find(&state->records, key, key_bytes);

	return node ? container_of(node, struct record, node) : NULL;
}

static void free_record(struct record *record)
{
	free(record->entry);
	free(record->value);
	free(record);
}

static void forget(struct cluster_state *state, struct record *record)
{
	state->version++;
	state->counts[record->entry->kind]--;
	key_map_remove(&state->records, &record->node);
	free_record(record);
}

static struct record *make_record(const struct etcd_pair *pair, const struct cluster_entry *entry)
{
	struct record *record = calloc(1, sizeof *record + pair->key_bytes + 1);

	if (!record)
		return NULL;
	memcpy(record->key, pair->key, pair->key_bytes);
	record->value = strndup(pair->value, pair->value_bytes);
	record->entry = malloc(sizeof *record->entry);
	record->mod_revision = pair->mod_revision;
	record->create_revision = pair->create_revision;
	if (!record->value || !record->entry) {
		free_record(record);
		return NULL;
	}
	*record->entry = *entry;
	return record;
}

void cluster_state_destroy(struct cluster_state *state)
{
	struct key_map_node *node;

	while ((node = key_map_next(&state->records, NULL)))
		forget(state, container_of(node, struct record, node));
	free(state);
}

/* ---- what comes ---- */

/* Keys are input: what cannot be printed is not. */
static void complain(struct cluster_state *state, const struct etcd_pair *pair, const char *why)
{
	char key[ETCD_KEY_BYTES_MAX / 2];
	size_t used = 0;

	for (; used < pair->key_bytes && used < sizeof key - 1; used++)
		key[used] = isprint((unsigned char)pair->key[used]) ? pair->key[used] : '?';
	key[used] = '\0';
	log_from(&state->log, LOG_LEVEL_WARNING, "etcd's key %s %s; it is left out", key, why);
}

static int enter(struct cluster_state *state, const struct etcd_pair *pair,
	const struct cluster_entry *entry, struct error *error)
{
	struct record *record;

	if (key_map_count(&state->records) >= CLUSTER_ENTRIES_MAX)
		return error_set(error, -ENOSPC, "is one more than %u", CLUSTER_ENTRIES_MAX);
	record = make_record(pair, entry);
	if (!record ||
		key_map_add(&state->records, &record->node, record->key, pair->key_bytes) < 0) {
		if (record)
			free_record(record);
		return error_set(error, -ENOMEM, "has no memory");
	}
	record->reading = state->reading;
	state->counts[entry->kind]++; /* NOLINT(clang-analyzer-unix.Malloc): the map has it */
	state->version++;
	return 0;
}

static bool is_same(const struct record *record, const struct etcd_pair *pair)
{
	return record->mod_revision == pair->mod_revision &&
	       strlen(record->value) == pair->value_bytes &&
	       memcmp(record->value, pair->value, pair->value_bytes) == 0;
}

static void put(struct cluster_state *state, const struct etcd_pair *pair)
{
	struct record *old = find_record(state, pair->key, pair->key_bytes);
	struct cluster_entry entry;
	struct error error;
	int result;

	if (old && is_same(old, pair)) {
		old->reading = state->reading;
		return;
	}
	result = cluster_entry_parse(state->prefix, pair, &entry, &error);
	if (old)
		forget(state, old);
	if (result == 0)
		result = enter(state, pair, &entry, &error);
	/* Other keys below the prefix are a later version's, perhaps. */
	if (result < 0 && result != -ENOENT)
		complain(state, pair, error.message);
}

void cluster_state_take(struct cluster_state *state, const struct etcd_pair *pair)
{
	struct record *record;

	if (!pair->is_deleted) {
		put(state, pair);
		return;
	}
	record = find_record(state, pair->key, pair->key_bytes);
	if (record)
		forget(state, record);
}

void cluster_state_begin_reading(struct cluster_state *state)
{
	state->reading++;
}

void cluster_state_end_reading(struct cluster_state *state)
{
	struct key_map_node *node = key_map_next(&state->records, NULL), *next;

	for (; node; node = next) {
		struct record *record = container_of(node, struct record, node);

		next = key_map_next(&state->records, node);
		if (record->reading != state->reading)
			forget(state, record);
	}
}

/* ---- what follows ---- */

uint64_t cluster_state_version(const struct cluster_state *state)
{
	return state->version;
}

unsigned cluster_state_count(const struct cluster_state *state, enum cluster_entry_kind kind)
{
	return state->counts[kind];
}

int cluster_state_visit(const struct cluster_state *state,
	int (*visit)(void *context, const struct cluster_record *record), void *context)
{
	const struct key_map_node *node = NULL;
	int result = 0;

	while (result >= 0 && (node = key_map_next(&state->records, node))) {
		const struct record *record = container_of(node, struct record, node);
		const struct cluster_record visited = {
			record->key, record->value, record->mod_revision, record->create_revision};

		result = visit(context, &visited);
	}
	return result < 0 ? result : 0;
}

/* Hosts first, as vNICs need theirs; then the latest, as the first that claims an address has it. */
static int compare(const void *left, const void *right)
{
	const struct record *const *a = left, *const *b = right;

	if ((*a)->entry->kind != (*b)->entry->kind)
		return (*a)->entry->kind == CLUSTER_HOST ? -1 : 1;
	return ((*a)->create_revision < (*b)->create_revision) -
	       ((*a)->create_revision > (*b)->create_revision);
}

static const struct record **sort(const struct cluster_state *state, size_t count)
{
	const struct record **records = calloc(count + 1, sizeof *records);
	const struct key_map_node *node = NULL;
	size_t used = 0;

	if (!records)
		return NULL;
	while ((node = key_map_next(&state->records, node)))
		records[used++] = container_of(node, struct record, node);
	qsort(records, count, sizeof *records, compare);
	return records;
}

/* An address that is another's, and a vNIC whose host is not there, are no failures. */
static int add(struct directory *directory, const struct cluster_entry *entry)
{
	const struct nic_config *config = &entry->nic.config;
	struct directory_nic nic = {.address_count = config->address_count};

	if (entry->kind == CLUSTER_HOST)
		return directory_add_host(directory, &entry->host.host);
	memcpy(nic.name, config->name, sizeof nic.name);
	memcpy(nic.addresses, config->addresses, sizeof nic.addresses);
	return directory_add_nic(directory, entry->nic.host, &nic);
}

struct directory *cluster_state_directory(const struct cluster_state *state)
{
	size_t count = key_map_count(&state->records);
	const struct record **records = sort(state, count);
	struct directory *directory = directory_create();
	int result = records && directory ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && result != -ENOMEM; i++)
		result = add(directory, records[i]->entry);
	free(records);
	if (result != -ENOMEM)
		return directory;
	if (directory)
		directory_destroy(directory);
	return NULL;
}
