/* What etcd answers: the first byte says as what the rest comes, and in which pieces. */
#include <stdlib.h>

#include "base/log.h"
#include "cluster/cluster_cache.h"
#include "cluster/cluster_state.h"
#include "cluster/etcd_watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, const struct etcd_pair *pair)
{
	if (pair->key[pair->key_bytes] || pair->value[pair->value_bytes])
		abort();
	cluster_state_take(context, pair);
}

static void take_watch(struct cluster_state *state, const char *bytes, size_t count, size_t step)
{
	struct etcd_watch watch = {.handler = take, .context = state};

	while (count) {
		size_t now = step && step < count ? step : count;

		if (etcd_watch_take(&watch, bytes, now) < 0)
			break;
		bytes += now;
		count -= now;
	}
	etcd_lines_reset(&watch.lines);
}

static void take_range(struct cluster_state *state, const char *bytes, size_t count)
{
	json_t *answer = json_loadb(bytes, count, 0, NULL);
	struct etcd_header header;
	bool is_more;

	cluster_state_begin_reading(state);
	if (answer && etcd_answer_header(answer, &header) == 0 &&
		etcd_answer_pairs(answer, take, state, &is_more) == 0)
		cluster_state_end_reading(state);
	etcd_answer_error(answer);
	json_decref(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cluster_state *state = cluster_state_create("/s");
	const char *bytes = (const char *)data + 1;
	struct directory *directory;

	log_set_level(LOG_LEVEL_ERROR);
	if (size && data[0] == 'r')
		take_range(state, bytes, size - 1);
	else if (size && data[0] == 'c')
		cluster_cache_parse(state, bytes, size - 1);
	else if (size)
		take_watch(state, bytes, size - 1, data[0] & 31u);
	directory = cluster_state_directory(state);
	if (directory)
		directory_destroy(directory);
	cluster_state_destroy(state);
	return 0;
}
