/* What the command prints, and what it makes of its options. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/disk_options.h"
#include "cli/disk_show.h"
#include "cli/nic_show.h"
#include "cli/slo_show.h"
#include "cli/table.h"
#include "cli/vm_console.h"
#include "cli/vm_escape.h"
#include "cli/workload.h"

static void a_table_is_aligned(void **state)
{
	struct table table;
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	table_init(&table, "NAME|>SIZE|STATE");
	table_add(&table, "gold");
	table_add(&table, "%d", 5);
	table_add(&table, "connected");
	table_add(&table, "x");
	table_add(&table, "123456");
	table_add(&table, "-");
	table_print(&table, to);
	fclose(to);
	assert_string_equal(printed, "NAME    SIZE  STATE\n"
				     "gold       5  connected\n"
				     "x     123456  -\n");
	free(printed);
}

static void the_verdict_is_plain(void **state)
{
	static const struct {
		int tiers, requests, missed;
		const char *verdict;
	} cases[] = {
		{0, 0, 0, "nothing promised"},
		{1, 0, 0, "no guaranteed requests yet"},
		{1, 2000, 0, "yes, all 2000 guaranteed requests in time"},
		{2, 2000, 3, "NO, 3 of 2000 guaranteed requests late (0.150%)"},
	};
	char text[VERDICT_BYTES];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *disk = json_pack("{s:i, s:i, s:i}", "tier_count", cases[i].tiers,
			"guaranteed_requests", cases[i].requests, "guaranteed_missed",
			cases[i].missed);

		assert_string_equal(slo_verdict(text, disk), cases[i].verdict);
		json_decref(disk);
	}
}

/* JSON with single quotes, which read better in C. */
static json_t *parse(const char *quoted)
{
	char *text = strdup(quoted);
	json_t *json;

	for (char *at = text; *at; at++)
		if (*at == '\'')
			*at = '"';
	json = json_loads(text, 0, NULL);
	free(text);
	assert_non_null(json);
	return json;
}

static void a_disk_is_shown_tier_by_tier(void **state)
{
	json_t *disk = parse(
		"{'name': 'gold', 'pool': 'fast', 'backend': 'file', 'image': '/srv/gold.img', "
		"'size_bytes': 1073741824, 'socket': '/s', 'queues': 4, 'is_connected': true, "
		"'is_direct': true, 'weight': 100, 'tier_count': 1, 'guaranteed_requests': 1000, "
		"'guaranteed_missed': 1, 'limit': {'operations_per_s': 5000}, "
		"'tiers': [{'is_guaranteed': true, 'burst_units': 64.0, "
		"'rate_units_per_s': 2000.0, "
		"'within_ns': 5000000, 'requests': 1000, 'met': 999, 'missed': 1, "
		"'share_of_pool': 0.25, 'latency_ns': {'p50': 1000, 'p99': 2000000, "
		"'p99.9': 3000000, 'max': 6000000}}, {'is_guaranteed': false, 'requests': 0}], "
		"'statistics': {'reads': 1000, 'read_bytes': 4096000}}");
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	disk_show(disk, to);
	fclose(to);
	assert_string_equal(printed,
		"disk gold, 1GiB, connected\n"
		"promise kept: NO, 1 of 1000 guaranteed requests late (0.100%)\n"
		"\n"
		"TIER         PROMISE (UNITS)       REQUESTS  IN TIME  LATE  OF POOL  P50  P99  "
		"P99.9  MAX\n"
		"tier 1       64 + 2k/s within 5ms      1000  99.900%     1    25.0%  1us  2ms    "
		"3ms  6ms\n"
		"best effort  weight 100                   0        -     -     0.0%    -    -     "
		" "
		"-    -\n"
		"\n"
		"pool     fast, image /srv/gold.img, O_DIRECT\n"
		"socket   /s, 4 queues\n"
		"limit    5k IOPS\n"
		"traffic  1000 reads (3.91MiB), 0 writes (0), 0 flushes, 0 discards, 0 write "
		"zeroes\n"
		"         0 in flight, 0 errors, 0 reconnects\n");
	free(printed);
	json_decref(disk);
}

static json_t *options(const char *line)
{
	char *text = strdup(line), *words[32], *rest = text;
	json_t *params;
	int count = 0;

	while ((words[count] = strsep(&rest, " ")))
		count++;
	params = disk_options_parse(count, words);
	free(text);
	return params;
}

static void options_become_parameters(void **state)
{
	json_t *params = options("add gold --pool fast --size 1GiB --queues 2 --read-only "
				 "--tier burst=64,rate=2000,within=5ms "
				 "--tier burst=128,rate=2k,within=50ms --weight 7 "
				 "--limit-iops 5k --limit-bytes=100MB");
	json_t *expected = parse(
		"{'name': 'gold', 'pool': 'fast', 'size': '1GiB', 'queues': 2, 'read_only': true, "
		"'slo': {'weight': 7, 'tiers': ["
		"{'burst': '64', 'rate': '2000', 'within': '5ms'}, "
		"{'burst': '128', 'rate': '2k', 'within': '50ms'}], "
		"'limit': {'iops': '5k', 'bytes_per_s': '100MB'}}}");

	assert_true(json_equal(params, expected));
	json_decref(params);
	json_decref(expected);
}

static void no_tier_is_an_empty_list(void **state)
{
	json_t *params = options("set gold --tier none");
	json_t *expected = parse("{'name': 'gold', 'slo': {'tiers': []}}");

	assert_true(json_equal(params, expected));
	json_decref(params);
	json_decref(expected);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const wrong[] = {
		"add",
		"add a b",
		"add a --nonsense",
		"add a --size",
		"add a --queues many",
		"add a --tier burst=64",
		"add a --tier burst=64,rate=5,within=",
		"add a --tier fast",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_null(options(wrong[i]));
}

static void a_vnic_is_shown_with_its_pairs(void **state)
{
	json_t *nic = parse(
		"{'name': 'web', 'netdev': 'tap0', 'is_present': true, 'trouble': '', "
		"'addresses': ['10.0.1.1', 'fd00::1'], 'weight': 1.0, 'forged_packets': 3, "
		"'flow_count': 1, 'send': {'bytes': 1024, 'packets': 2, 'used_bytes_per_s': 0.2, "
		"'limit_bytes_per_s': null, 'min_bytes_per_s': 0.0, 'max_bytes_per_s': null, "
		"'queue_bytes': 0, 'drops': 0}, 'receive': {'bytes': 2048, 'packets': 4, "
		"'used_bytes_per_s': 60125000.0, 'limit_bytes_per_s': 62500000.0, "
		"'min_bytes_per_s': 62500000.0, 'max_bytes_per_s': 125000000.0, 'queue_bytes': 0, "
		"'drops': 5}, 'flows': [{'direction': 'receive', 'peer': 'db', 'address': "
		"'10.0.2.1', 'host': 'h2', 'limited_by': 'h1', 'bytes': 2048, 'packets': 4, "
		"'used_bytes_per_s': 60125000.0, 'limit_bytes_per_s': 62500000.0, 'queue_bytes': "
		"65536, 'drops': 5}]}");
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	nic_show(nic, to);
	fclose(to);
	assert_string_equal(printed,
		"vNIC web on tap0, in force, weight 1\n"
		"addresses 10.0.1.1 fd00::1\n"
		"forged    3 packets dropped\n"
		"\n"
		"DIRECTION     RATE      MIN    MAX    SHARE  BYTES  PACKETS  QUEUE  DROPS\n"
		"send             -        -      -        -   1KiB        2      0      0\n"
		"receive    481Mbit  500Mbit  1Gbit  500Mbit   2KiB        4      0      5\n"
		"\n"
		"DIRECTION  PEER  ADDRESS   HOST     RATE    LIMIT  LIMITED BY  BYTES  QUEUE  "
		"DROPS\n"
		"receive    db    10.0.2.1  h2    481Mbit  500Mbit  h1           2KiB  64KiB      "
		"5\n");
	free(printed);
	json_decref(nic);
}

static void traffic_is_shown_busiest_first(void **state)
{
	json_t *network = parse(
		"{'host': 'h1', 'uplink': 'up0', 'is_uplink_present': true, 'link_bytes_per_s': "
		"125000000, 'used_bytes_per_s': 25000000.0, 'target_bytes_per_s': 118750000.0, "
		"'is_contended': true}");
	json_t *nics = parse(
		"[{'name': 'idle', 'send': {}, 'receive': {}, 'flows': []}, {'name': 'busy', "
		"'send': {}, 'receive': {'used_bytes_per_s': 25000000.0}, 'flows': [{'direction': "
		"'receive', 'peer': 'db', 'used_bytes_per_s': 25000000.0, 'limited_by': 'h1'}]}]");
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	net_show_traffic(network, nics, to);
	fclose(to);
	assert_string_equal(printed,
		"host h1, uplink up0 of 1Gbit: 200Mbit of 950Mbit received, contended\n"
		"VNIC  DIRECTION  PEER     RATE  GUARANTEE  SHARE  LIMITED BY  QUEUE  DROPS\n"
		"busy  receive    all   200Mbit          -      -  -               0      0\n"
		"                 db    200Mbit          -      -  h1              0      0\n"
		"busy  send       all         -          -      -  -               0      0\n"
		"idle  receive    all         -          -      -  -               0      0\n"
		"idle  send       all         -          -      -  -               0      0\n");
	free(printed);
	json_decref(network);
	json_decref(nics);
}

static void a_workload_that_no_queue_can_hold_is_refused(void **state)
{
	struct workload_config config = {
		.socket_path = "/nonexistent",
		.queue_count = 1,
		.depth = 256,
		.request_bytes = 4096,
		.segments = 8,
		.cpu = -1,
	};
	static struct workload_result result;
	const int interrupted = 0;
	struct error error;

	assert_int_equal(workload_run(&config, &interrupted, &result, &error), -EINVAL);
	assert_non_null(strstr(error.message, "need 2560 descriptors and a queue has 1024"));
	config.uses_indirect = true;
	assert_int_equal(workload_run(&config, &interrupted, &result, &error), -ENOENT);
}

/* What is typed piece by piece, what of it the guest gets, and what was wished in the end. */
static void escapes_are_not_for_the_guest(void **state)
{
	static const struct {
		const char *typed[3];
		const char *passed;
		enum vm_escape_wish wish;
	} cases[] = {
		{{"ls\r", "\003"}, "ls\r\003", VM_ESCAPE_NONE},
		{{"\001", "x"}, "", VM_ESCAPE_END},
		{{"a\001x"}, "a", VM_ESCAPE_END},
		{{"\001p"}, "", VM_ESCAPE_POWER_BUTTON},
		{{"\001\001x"}, "\001x", VM_ESCAPE_NONE},
		{{"\001", "b"}, "\001b", VM_ESCAPE_NONE},
		{{"xp"}, "xp", VM_ESCAPE_NONE},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		enum vm_escape_wish wish = VM_ESCAPE_NONE;
		struct vm_escape escape = {0};
		char passed[64] = "";
		size_t all = 0, count;

		for (const char *const *typed = cases[i].typed; *typed; typed++) {
			wish = vm_escape_take(
				&escape, *typed, strlen(*typed), passed + all, &count);
			all += count;
		}
		assert_int_equal(wish, cases[i].wish);
		assert_int_equal(all, strlen(cases[i].passed));
		assert_memory_equal(passed, cases[i].passed, all);
	}
}

/* `ls`, in the VM's place, looks for one that whoever started `sluice vm run` had open. */
static void a_vm_gets_no_descriptors_but_its_console(void **state)
{
	int open_file = fcntl(STDERR_FILENO, F_DUPFD, 70), status;
	struct vm_console_config config = {.program = "/bin/ls", .file = "/dev/null"};
	struct error error;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", open_file);
	config.argument = path;
	status = vm_console_run(&config, &error);
	close(open_file);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_is_aligned),
		cmocka_unit_test(the_verdict_is_plain),
		cmocka_unit_test(a_disk_is_shown_tier_by_tier),
		cmocka_unit_test(options_become_parameters),
		cmocka_unit_test(no_tier_is_an_empty_list),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
		cmocka_unit_test(a_vnic_is_shown_with_its_pairs),
		cmocka_unit_test(traffic_is_shown_busiest_first),
		cmocka_unit_test(escapes_are_not_for_the_guest),
		cmocka_unit_test(a_vm_gets_no_descriptors_but_its_console),
		cmocka_unit_test(a_workload_that_no_queue_can_hold_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
