#include "offload/host/module_handover.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

_Static_assert(sizeof(struct gate_descriptors) == (GATE_SLOTS + 2) * sizeof(int),
	"descriptors go as they lie in memory");
_Static_assert(GATE_SLOTS + 2 <= 253, "SCM_MAX_FD");

union descriptors_message {
	char bytes[CMSG_SPACE(sizeof(struct gate_descriptors))];
	struct cmsghdr header; /* aligned as this is */
};

int module_handover_send(
	int link, const struct module_description *description, const struct gate_descriptors *gate)
{
	struct iovec data = {(void *)description, sizeof *description};
	union descriptors_message descriptors = {.header = {.cmsg_len = CMSG_LEN(sizeof *gate),
							 .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};

	if (gate) {
		memcpy(CMSG_DATA(&descriptors.header), gate, sizeof *gate);
		message.msg_control = &descriptors;
		message.msg_controllen = sizeof descriptors;
	}
	return sendmsg(link, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int module_handover_receive(int link, struct module_description *description,
	struct gate_descriptors *gate, struct error *error)
{
	struct iovec data = {description, sizeof *description};
	union descriptors_message descriptors;
	struct msghdr message = {.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &descriptors,
		.msg_controllen = sizeof descriptors};
	ssize_t count = recvmsg(link, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	memset(gate, -1, sizeof *gate);
	if (count <= 0)
		return error_set(error, -EPROTO, "sluiced has gone");
	if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		return error_set(error, -EPROTO, "what sluiced says is too long; restart it");
	if (header && header->cmsg_len == CMSG_LEN(sizeof *gate))
		memcpy(gate, CMSG_DATA(header), sizeof *gate);
	return module_description_check(description, (size_t)count, error);
}
