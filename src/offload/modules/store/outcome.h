/* How a request, or a part of one, has ended. */
#ifndef SLUICE_STORE_OUTCOME_H
#define SLUICE_STORE_OUTCOME_H

#include "store/store_protocol.h"

/* An outcome is an enum store_status, or one of these. */
enum {
	OUTCOME_WOULD_WAIT = -1, /* it may not wait, and would have to */
	OUTCOME_MALFORMED = -2,	 /* the request does not hold together */
};

/* For the client's people, beside a status other than STORE_OK. */
struct explanation {
	char text[512];
};

/* Write an explanation; returns `status`. */
int explain(struct explanation *explanation, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
