#include "offload/host/module_handover.h"

#include <errno.h>
#include <string.h>

#include "base/packet.h"

#define GATE_DESCRIPTORS (GATE_SLOTS + 2)
#define MACHINE_DESCRIPTORS 2

_Static_assert(sizeof(struct gate_descriptors) == GATE_DESCRIPTORS * sizeof(int),
	"descriptors go as they lie in memory");
_Static_assert(GATE_DESCRIPTORS + MACHINE_DESCRIPTORS <= PACKET_DESCRIPTORS_MAX, "SCM_MAX_FD");

struct packet {
	struct module_description description;
	bool has_gate, has_machine; /* in this order, their descriptors come with it */
};

int module_handover_send(int link, const struct module_description *description,
	const struct gate_descriptors *gate, const struct channel_machine *machine)
{
	const struct packet packet = {*description, gate, machine->socket >= 0};
	int fds[GATE_DESCRIPTORS + MACHINE_DESCRIPTORS];
	size_t count = 0;

	if (packet.has_gate) {
		memcpy(fds, gate, sizeof *gate);
		count = GATE_DESCRIPTORS;
	}
	if (packet.has_machine) {
		fds[count++] = machine->socket;
		fds[count++] = machine->doorbell;
	}
	return packet_send(link, &packet, sizeof packet, 0, fds, count);
}

int module_handover_receive(int link, struct module_description *description,
	struct gate_descriptors *gate, struct channel_machine *machine, struct error *error)
{
	struct packet packet;
	int fds[GATE_DESCRIPTORS + MACHINE_DESCRIPTORS];
	struct packet_descriptors descriptors = {.fds = fds, .capacity = sizeof fds / sizeof *fds};
	ssize_t bytes = packet_receive(link, &packet, sizeof packet, 0, &descriptors);
	size_t at = 0;

	memset(gate, -1, sizeof *gate);
	*machine = (struct channel_machine){-1, -1};
	if (bytes <= 0)
		return error_set(error, -EPROTO, "sluiced has gone");
	if (bytes != sizeof packet ||
		descriptors.count != (packet.has_gate ? GATE_DESCRIPTORS : 0) +
					     (packet.has_machine ? MACHINE_DESCRIPTORS : 0))
		return error_set(error, -EPROTO, "sluiced is of another version; restart it");
	if (packet.has_gate) {
		memcpy(gate, fds, sizeof *gate);
		at = GATE_DESCRIPTORS;
	}
	if (packet.has_machine)
		*machine = (struct channel_machine){fds[at], fds[at + 1]};
	*description = packet.description;
	return module_description_check(description, sizeof *description, error);
}
