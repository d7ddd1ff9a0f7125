/* Rates on their way to other hosts, gathered so that each host gets few datagrams per period. */
#ifndef SLUICE_GATEKEEPER_DATAGRAM_OUTBOX_H
#define SLUICE_GATEKEEPER_DATAGRAM_OUTBOX_H

#include "gatekeeper/datagram/rate_message.h"
#include "gatekeeper/directory.h"

struct outbox;

/* Send one batch; its entries are valid for the call. */
typedef void outbox_send(void *context, const struct directory_host *host,
	const struct rate_entry *entries, unsigned count);

/* @send: called for each full batch, and for the rest by outbox_flush. NULL if there is no memory. */
struct outbox *outbox_create(outbox_send *send, void *context);
void outbox_destroy(struct outbox *outbox);

/* Add an entry for a host. Without memory it is not sent, which costs a period. */
void outbox_add(
	struct outbox *outbox, const struct directory_host *host, const struct rate_entry *entry);

void outbox_flush(struct outbox *outbox);

/* Forget all hosts, and what has not been sent to them: before their directory goes. */
void outbox_forget(struct outbox *outbox);

#endif
