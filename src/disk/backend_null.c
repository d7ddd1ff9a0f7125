/*
 * The null back end: writes vanish and reads leave the guest's buffers as they are, which gives the
 * guest nothing but its own memory back. It measures everything but the back end.
 */
#include <errno.h>
#include <stdlib.h>

#include "disk/backend_ops.h"

static int null_open(
	const struct backend_options *options, struct backend **backend, struct error *error)
{
	struct backend *null;

	if (!options->size_bytes || options->size_bytes % 512)
		return error_set(
			error, -EINVAL, "a null disk needs a size, in multiples of 512 bytes");
	null = calloc(1, sizeof *null);
	if (!null)
		return error_set(error, -ENOMEM, "no memory for a null disk");
	*null = (struct backend){
		.ops = &backend_null_ops,
		.size_bytes = options->size_bytes,
		.block_bytes = 512,
		.is_read_only = options->is_read_only,
		.can_discard = !options->is_read_only,
		.completes_inline = true,
	};
	*backend = null;
	return 0;
}

static void null_submit(struct backend *backend, struct backend_request *request)
{
	bool is_change = request->operation != BACKEND_READ && request->operation != BACKEND_FLUSH;

	request->complete(request, is_change && backend->is_read_only ? -EROFS : 0);
}

static void null_close(struct backend *backend)
{
	free(backend);
}

const struct backend_ops backend_null_ops = {
	.name = "null",
	.description = "nothing: writes vanish, reads return what the buffer held",
	.open = null_open,
	.submit = null_submit,
	.close = null_close,
};
