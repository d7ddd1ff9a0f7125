#include "base/counter.h"
#include "control/describe/describe.h"
#include "control/describe/describe_slo.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void member_of(const struct disk *disk, struct described_member *member)
{
	member->pool = disk_pool(disk);
	member->slo = &disk_config(disk)->slo;
	for (unsigned tier = 0; tier <= member->slo->tier_count; tier++)
		member->audits[tier] = disk_audit(disk, tier);
}

static json_t *describe_statistics(const struct disk_statistics *statistics)
{
	const struct {
		const char *key;
		uint64_t value;
	} counters[] = {
		{"reads", statistics->reads},
		{"writes", statistics->writes},
		{"flushes", statistics->flushes},
		{"discards", statistics->discards},
		{"write_zeroes", statistics->write_zeroes},
		{"read_bytes", statistics->read_bytes},
		{"write_bytes", statistics->write_bytes},
		{"errors", statistics->errors},
		{"in_flight", statistics->in_flight},
		{"reconnects", statistics->reconnects},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		json_object_set_new(description, counters[i].key, number(counters[i].value));
	return description;
}

json_t *describe_disk_briefly(const struct host *host, unsigned index)
{
	const struct disk *disk = host->disks[index].disk;
	const struct disk_config *config = disk_config(disk);
	struct disk_statistics statistics;
	struct described_member member;
	json_int_t requests, missed;

	disk_statistics(disk, &statistics);
	member_of(disk, &member);
	describe_promises(&member, &requests, &missed);
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:I, s:s, s:i, s:I, s:I}", "name",
		config->name, "pool", pool_config(disk_pool(disk))->name, "size_bytes",
		(json_int_t)statistics.size_bytes, "is_connected", statistics.is_connected,
		"is_leaving", statistics.is_leaving, "is_broken", statistics.is_broken,
		"is_read_only", config->is_read_only, "queues", (json_int_t)config->queue_count,
		"socket", config->socket_path, "tier_count", (int)config->slo.tier_count,
		"guaranteed_requests", requests, "guaranteed_missed", missed);
}

json_t *describe_disk(const struct host *host, unsigned index)
{
	const struct disk *disk = host->disks[index].disk;
	const struct disk_config *config = disk_config(disk);
	json_t *description = describe_disk_briefly(host, index);
	struct disk_statistics statistics;
	struct described_member member;
	char image[PATH_MAX];

	member_of(disk, &member);
	disk_statistics(disk, &statistics);
	json_object_set_new(description, "serial", json_string(config->serial));
	json_object_set_new(
		description, "backend", json_string(pool_config(disk_pool(disk))->backend->name));
	disk_image(disk, image, sizeof image);
	json_object_set_new(description, "image", json_string(image));
	json_object_set_new(description, "is_direct", json_boolean(statistics.is_direct));
	json_object_set_new(
		description, "is_from_file", json_boolean(host->disks[index].is_from_file));
	describe_slo(description, host, &member);
	json_object_set_new(description, "statistics", describe_statistics(&statistics));
	return description;
}
