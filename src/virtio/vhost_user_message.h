/*
 * Sending and receiving one vhost-user message with its file descriptors, for either side.
 *
 * Whatever the peer sends is data: a header whose size does not fit the payload union, too many
 * descriptors, a truncated control message, a version other than 1 are -EPROTO, with every
 * descriptor received closed.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_MESSAGE_H
#define SLUICE_VIRTIO_VHOST_USER_MESSAGE_H

#include <stddef.h>

#include "virtio/vhost_user_protocol.h"

struct vhost_user_message {
	struct vhost_user_header header;
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX]; /* owned by the holder of the message; taken ones are set to -1 */
	unsigned fd_count;
};

/*
 * Read one message from a stream socket; blocks until it is complete.
 *
 * @message: filled in; the payload beyond header.size_bytes is zeroed. The caller owns its fds.
 * Returns 0; -ECONNRESET at the end of the stream; -EPROTO for what is not a message; another
 * negative errno from the socket.
 */
int vhost_user_receive(int socket, struct vhost_user_message *message);

/* Write one message with its fds (which stay the caller's). Returns 0 or a negative errno. */
int vhost_user_send(int socket, const struct vhost_user_message *message);

/*
 * The same, but all of the message has to be there, or be taken, by a time of clock_now_ns, else -ETIMEDOUT: each
 * byte may come a little late otherwise. After that the stream is of no more use. 0: whenever it is.
 */
int vhost_user_receive_by(int socket, struct vhost_user_message *message, uint64_t deadline_ns);
int vhost_user_send_by(int socket, const struct vhost_user_message *message, uint64_t deadline_ns);

/*
 * As vhost_user_send, but does not wait: -EAGAIN if the peer has not read what was sent before. After
 * that, or any other error, the stream is of no more use.
 */
int vhost_user_send_now(int socket, const struct vhost_user_message *message);

/* Take descriptor `index` out of the message (the caller owns it now); -1 if there is none. */
int vhost_user_take_fd(struct vhost_user_message *message, unsigned index);

/* Close every descriptor that has not been taken. */
void vhost_user_close_fds(struct vhost_user_message *message);

/* "SET_MEM_TABLE", ..., or "unknown request": for log lines. */
const char *vhost_user_request_name(uint32_t request);

#endif
