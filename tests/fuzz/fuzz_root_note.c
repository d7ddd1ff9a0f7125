/* A note about a netdev's former qdisc with anything in it: what is understood, is written as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gatekeeper/netdev/root_note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct nl_msg *describe(const struct root_qdisc *qdisc)
{
	struct nl_msg *message = root_qdisc_describe(qdisc);

	if (!message)
		abort();
	return message;
}

static void write_again(const struct root_qdisc *qdisc)
{
	struct nl_msg *message = describe(qdisc), *message_again;
	const void *bytes = nlmsg_hdr(message);
	struct root_qdisc again;

	if (root_note_parse(bytes, nlmsg_hdr(message)->nlmsg_len, &again) < 0)
		abort();
	message_again = describe(&again);
	if (memcmp(nlmsg_hdr(message_again), bytes, nlmsg_hdr(message)->nlmsg_len) != 0)
		abort();
	nlmsg_free(message_again);
	nlmsg_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct root_qdisc qdisc;
	void *aligned = malloc(size ? size : 1);

	if (!aligned)
		return 0;
	memcpy(aligned, data, size);
	if (root_note_parse(aligned, size, &qdisc) == 0)
		write_again(&qdisc);
	free(aligned);
	return 0;
}
