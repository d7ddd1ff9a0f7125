/* What the control thread does with sockets; see channel_socket.c and channel_machine.c. */
#ifndef SLUICE_OFFLOAD_CHANNEL_CONTROL_H
#define SLUICE_OFFLOAD_CHANNEL_CONTROL_H

#include "base/clock.h"
#include "offload/channel/channel_private.h"

/* Let in who waits, a few at a time. Returns false if there are no descriptors left for that. */
bool channel_socket_accept(struct channel_server *server);

/* The client has gone, or has to. Without a socket, nothing happens. */
void channel_socket_hang_up(struct channel_connection_server *connection);

/* If the connection has finished and its client is gone, it is free. */
void channel_socket_clean_up(struct channel_connection_server *connection);

/* Likewise for the machine that a region is in; one at a time is let in. */
bool channel_machine_accept(struct channel_server *server);
void channel_machine_hang_up(struct channel_server *server);

/* The server ends. Who has a copy of the socket goes on with it. */
void channel_machine_let_go(struct channel_server *server);

/* The machine of the configuration is here already. */
void channel_machine_take_over(struct channel_server *server);

void channel_machine_clean_up(struct channel_server *server);

/* Can the one that is next be welcomed, or refused? */
bool channel_machine_can_accept(const struct channel_server *server);

/* Has the last one gone without a trace? */
bool channel_machine_is_over(const struct channel_server *server);

#endif
