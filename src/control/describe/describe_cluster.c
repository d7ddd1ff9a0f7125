#include "base/clock.h"
#include "control/describe/describe.h"

json_t *describe_cluster(const struct host *host)
{
	struct cluster_status status;
	json_t *failure;

	if (!host->cluster)
		return json_null();
	cluster_status(host->cluster, &status);
	failure = json_string(status.failure);
	return json_pack("{s:b, s:I, s:s, s:I, s:i, s:i, s:o}", "is_connected", status.is_connected,
		"for_ns", (json_int_t)(clock_now_ns() - status.since_ns), "member", status.member,
		"revision", (json_int_t)status.revision, "hosts", (int)status.hosts, "nics",
		(int)status.nics, "failure", failure ? failure : json_null());
}
