#include "gatekeeper/datagram/outbox.h"

#include <stdlib.h>

#include "base/container.h"
#include "base/key_map.h"

struct batch {
	const struct directory_host *host;
	struct rate_entry entries[RATE_MESSAGE_ENTRIES_MAX];
	unsigned count;
	struct key_map_node node; /* by `host`, the pointer */
};

struct outbox {
	outbox_send *send;
	void *context;
	struct key_map batches;
};

struct outbox *outbox_create(outbox_send *send, void *context)
{
	struct outbox *outbox = calloc(1, sizeof *outbox);

	if (outbox)
		*outbox = (struct outbox){.send = send, .context = context};
	return outbox;
}

void outbox_forget(struct outbox *outbox)
{
	struct key_map_node *node;

	while ((node = key_map_next(&outbox->batches, NULL))) {
		key_map_remove(&outbox->batches, node);
		free(container_of(node, struct batch, node));
	}
}

void outbox_destroy(struct outbox *outbox)
{
	outbox_forget(outbox);
	free(outbox);
}

static struct batch *add_batch(struct outbox *outbox, const struct directory_host *host)
{
	struct batch *batch = calloc(1, sizeof *batch);

	if (!batch)
		return NULL;
	batch->host = host;
	if (key_map_add(&outbox->batches, &batch->node, &batch->host, sizeof batch->host) < 0) {
		free(batch);
		return NULL;
	}
	return batch;
}

static struct batch *batch_for(struct outbox *outbox, const struct directory_host *host)
{
	struct key_map_node *node = key_map_find(&outbox->batches, &host, sizeof host);

	return node ? container_of(node, struct batch, node) : add_batch(outbox, host);
}

static void send_batch(struct outbox *outbox, struct batch *batch)
{
	if (batch->count)
		outbox->send(outbox->context, batch->host, batch->entries, batch->count);
	batch->count = 0;
}

void outbox_add(
	struct outbox *outbox, const struct directory_host *host, const struct rate_entry *entry)
{
	struct batch *batch = batch_for(outbox, host);

	if (!batch)
		return;
	batch->entries[batch->count++] = *entry;
	if (batch->count == RATE_MESSAGE_ENTRIES_MAX)
		send_batch(outbox, batch);
} /* NOLINT(clang-analyzer-unix.Malloc): the map has the batch */

void outbox_flush(struct outbox *outbox)
{
	struct key_map_node *node = NULL;

	while ((node = key_map_next(&outbox->batches, node)))
		send_batch(outbox, container_of(node, struct batch, node));
}
