#include "cluster/etcd_watch.h"

#include <errno.h>
#include <stdio.h>

#include "cluster/etcd_keys.h"

/*
 * How far we are: what follows events may lag behind the cluster's revision, so theirs counts; an object
 * without any says that there are none up to the cluster's. A change may come in several objects, and is
 * whole with the last.
 */
static void move_on(struct etcd_watch *watch, const struct etcd_watch_answer *answer)
{
	int64_t revision = answer->events_revision;

	if (!revision && !answer->is_created)
		revision = answer->header.revision;
	if (!answer->is_fragment && revision > watch->revision)
		watch->revision = revision;
}

static int take_line(void *context, const char *line, size_t bytes)
{
	struct etcd_watch *watch = context;
	struct etcd_watch_answer answer;
	int result = etcd_answer_watch(line, bytes, &answer, watch->handler, watch->context);

	if (result < 0) {
		snprintf(watch->reason, sizeof watch->reason, "the answer is not one of etcd's");
		return result;
	}
	watch->is_created |= answer.is_created;
	if (answer.compact_revision)
		watch->is_history_gone = true;
	if (answer.is_canceled) {
		snprintf(watch->reason, sizeof watch->reason, "%s", answer.reason);
		return -ECANCELED;
	}
	move_on(watch, &answer);
	return 0;
}

int etcd_watch_take(void *context, const char *bytes, size_t count)
{
	struct etcd_watch *watch = context;
	int result = etcd_lines_feed(&watch->lines, bytes, count, take_line, watch);

	/* Nobody can hold it, so it is left out by reading what came of it. */
	if (result == -EMSGSIZE) {
		watch->is_history_gone = true;
		snprintf(watch->reason, sizeof watch->reason, "a change was too large");
	}
	return result;
}

int etcd_watch_open(struct etcd_watch *watch, struct etcd_client *client, const char *prefix,
	struct error *error)
{
	json_t *request = etcd_keys_below(prefix);

	etcd_watch_close(watch, client);
	watch->is_created = watch->is_history_gone = false;
	*watch->reason = '\0';
	json_object_set_new(
		request, "start_revision", json_sprintf("%lld", (long long)watch->revision + 1));
	json_object_set_new(request, "progress_notify", json_true());
	json_object_set_new(request, "fragment", json_true());
	return etcd_client_open_stream(client, "watch",
		json_pack("{s:o}", "create_request", request), etcd_watch_take, watch, error);
}

void etcd_watch_close(struct etcd_watch *watch, struct etcd_client *client)
{
	etcd_client_close_stream(client);
	etcd_lines_reset(&watch->lines);
}
