/*
 * What a module's process writes to its standard error, as lines of sluiced's log.
 *
 * Theory of operation. The process is anybody's, once somebody has broken into it: so it gets a pipe and not the log itself, which it could
 * cut, make nonblocking, or fill. Its lines can be printed, each minute has so many, and a pipe that is filled again and again is read
 * slowly. What does not fit into the pipe is lost; whoever writes does not wait.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_VOICE_H
#define SLUICE_OFFLOAD_HOST_MODULE_VOICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/log_source.h"

#define MODULE_VOICE_LINE_BYTES 768u

/* Zeroed, but for the log's name, when the first process starts. */
struct module_voice {
	struct log_source log;
	int fd; /* the pipe's end to read from, or -1 */
	char line[MODULE_VOICE_LINE_BYTES];
	size_t length;		 /* of an unfinished one */
	uint64_t quiet_until_ns; /* it is not read before */
};

/* A process is about to start; what an earlier one left is taken. Returns the pipe's other end, for it, owned by the caller; or a negative errno. */
int module_voice_open(struct module_voice *voice);

/* Take what there is, a piece at most. */
void module_voice_relay(struct module_voice *voice, uint64_t now_ns);

/* What poll(2) is to wait for now: the descriptor, or -1. */
int module_voice_poll_fd(const struct module_voice *voice, uint64_t now_ns);

/* When it is to be looked at again, if it is not read now; or UINT64_MAX. */
uint64_t module_voice_wake_ns(const struct module_voice *voice, uint64_t now_ns);

/* The process has ended: what is left, and no more. */
void module_voice_close(struct module_voice *voice);

#endif
