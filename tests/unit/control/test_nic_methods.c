/* vNICs by the control protocol and by reload, on a host with real netdevs in a network of its own. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../gatekeeper/own_network.h"
#include "control/host/host.h"
#include "control/methods/methods.h"
#include "control/metrics/metrics.h"
#include "control/socket/run_directory.h"

struct fixture {
	char directory[32];
	char file[64];
	char key[64];
	bool is_running;
	struct host host;
	struct error error;
};

/* %s: the key's file. */
#define NETWORK                                                                              \
	"network: {host: h1, uplink: u0, link: 1Gbit, key: %s, hosts: [{name: h1, address: " \
	"'::1', "                                                                            \
	"serves: [10.0.1.1]}]}\n"
#define WEB "- {name: web, netdev: v0, addresses: [10.0.1.1], receive: {min: 500Mbit}}\n"
#define BULK "- {name: bulk, netdev: v1, send: {max: 100Mbit}}\n"

static void write_file(struct fixture *fixture, const char *format)
{
	FILE *to = fopen(fixture->file, "w");

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(to, format, fixture->key);
#pragma GCC diagnostic pop
	fclose(to);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	FILE *key;

	strcpy(fixture->directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->file, sizeof fixture->file, "%s/yaml", fixture->directory);
	snprintf(fixture->key, sizeof fixture->key, "%s/key", fixture->directory);
	key = fopen(fixture->key, "w");
	fchmod(fileno(key), 0600);
	for (unsigned i = 0; i < 64; i++)
		fputc('7', key);
	fclose(key);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->is_running)
		host_stop(&fixture->host, true);
	unlink(fixture->file);
	unlink(fixture->key);
	assert_int_equal(rmdir(fixture->directory), 0);
	free(fixture);
	return 0;
}

/* Skips the test without the rights. */
static void start(struct fixture *fixture, const char *format)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;

	need_own_network();
	assert_true(run("ip link add u0 type veth peer name far; ip link set u0 up; ip link set "
			"far up; ip link set lo up"));
	assert_int_equal(run_directory_make(&fixture->error), 0);
	write_file(fixture, format);
	if (configuration_load_file(fixture->file, &configuration, problems, &fixture->error) < 0)
		fail_msg("%s", fixture->error.message);
	free(problems);
	fixture->host.file = fixture->file;
	fixture->is_running = true;
	if (host_start(&fixture->host, configuration, -1, &fixture->error) < 0)
		fail_msg("%s", fixture->error.message);
}

/* The parameters are JSON with single quotes. Returns the whole answer. */
static json_t *call(struct fixture *fixture, const char *method, const char *params)
{
	char *line, *answer;
	json_t *json;
	int length = asprintf(&line,
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"%s\", \"params\": %s}", method,
		params);

	for (char *at = line; *at; at++)
		if (*at == '\'')
			*at = '"';
	answer = rpc_answer(control_methods, &fixture->host, line, (size_t)length);
	json = json_loads(answer, 0, NULL);
	free(answer);
	free(line);
	assert_non_null(json);
	return json;
}

static void succeeds(struct fixture *fixture, const char *method, const char *params)
{
	json_t *answer = call(fixture, method, params);

	if (!json_object_get(answer, "result"))
		fail_msg("%s", json_string_value(json_object_get(
				       json_object_get(answer, "error"), "message")));
	json_decref(answer);
}

static void fails(struct fixture *fixture, const char *method, const char *params, const char *why)
{
	json_t *answer = call(fixture, method, params);
	const char *message =
		json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

	if (!message || !strstr(message, why))
		fail_msg("%s", message ? message : "it succeeds");
	json_decref(answer);
}

/* A number of one direction of a vNIC; -1 if it is null. */
static double number(
	struct fixture *fixture, const char *name, const char *direction, const char *key)
{
	char params[64];
	json_t *answer, *value;
	double result;

	snprintf(params, sizeof params, "{'name': '%s'}", name);
	answer = call(fixture, "nic.show", params);
	value = json_object_get(json_object_get(json_object_get(answer, "result"), direction), key);
	assert_non_null(value);
	result = json_is_null(value) ? -1 : json_number_value(value);
	json_decref(answer);
	return result;
}

static char *export(struct fixture *fixture)
{
	json_t *answer = call(fixture, "configuration.show", "{}");
	char *text = strdup(json_string_value(json_object_get(answer, "result")));

	json_decref(answer);
	return text;
}

static void what_is_not_named_stays_as_it_is(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, NETWORK "nics:\n" WEB BULK);
	succeeds(fixture, "nic.set", "{'name': 'bulk', 'receive': {'min': '80Mbit'}}");
	assert_true(number(fixture, "bulk", "receive", "min_bytes_per_s") == 10e6);
	assert_true(number(fixture, "bulk", "send", "max_bytes_per_s") == 12.5e6);
	succeeds(fixture, "nic.set", "{'name': 'bulk', 'send': {'max': null}, 'weight': 3}");
	assert_true(number(fixture, "bulk", "receive", "min_bytes_per_s") == 10e6);
	assert_true(number(fixture, "bulk", "send", "max_bytes_per_s") == -1);
}

static void what_is_added_is_exported_until_it_is_removed(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	start(fixture, NETWORK "nics:\n" WEB);
	succeeds(fixture, "nic.add",
		"{'name': 'bulk', 'netdev': 'v1', 'addresses': ['fd00::7'], 'send': {'min': "
		"'100Mbit', 'max': null}}");
	text = export(fixture);
	assert_non_null(strstr(text, "name: bulk"));
	assert_non_null(strstr(text, "fd00::7"));
	free(text);
	succeeds(fixture, "nic.remove", "{'name': 'bulk'}");
	text = export(fixture);
	assert_null(strstr(text, "bulk"));
	free(text);
}

static void what_is_taken_back_leaves_nothing_in_the_export(void **state)
{
	struct fixture *fixture = *state;
	char *text;

	start(fixture, NETWORK "nics:\n" BULK);
	succeeds(fixture, "nic.set", "{'name': 'bulk', 'send': {'max': null}}");
	text = export(fixture);
	assert_null(strstr(text, "send"));
	assert_null(strstr(text, "receive"));
	free(text);
}

static void what_makes_no_sense_is_refused_and_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	char *before, *after;

	start(fixture, NETWORK "nics:\n" WEB BULK);
	before = export(fixture);
	fails(fixture, "nic.add", "{'name': 'x'}", "'netdev' is missing");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'y', 'sent': {}}",
		"did you mean 'send'");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'v0'}", "netdev 'v0' is vNIC 'web'");
	fails(fixture, "nic.add", "{'name': 'web', 'netdev': 'y'}", "there is a vNIC 'web'");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'y', 'receive': {'min': '500Mbit'}}",
		"lower them by 30 Mbit");
	fails(fixture, "nic.set", "{'name': 'web'}", "nothing to set");
	fails(fixture, "nic.set", "{'name': 'wbe', 'weight': 2}", "did you mean 'web'?");
	fails(fixture, "nic.set", "{'name': 'web', 'netdev': 'v1'}", "netdev cannot change");
	fails(fixture, "nic.set", "{'name': 'web', 'send': {'min': 'lots'}}", "send.min: 'lots'");
	fails(fixture, "nic.set", "{'name': 'web', 'receive': 7}", "receive");
	fails(fixture, "nic.remove", "{}", "'name' is missing");
	after = export(fixture);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void a_host_without_a_network_says_so(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	start(fixture, "pools: [] # %s\n");
	fails(fixture, "net.show", "{}", "no network");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'v0'}", "vNICs need a network");
	answer = call(fixture, "nic.list", "{}");
	assert_int_equal(json_array_size(json_object_get(answer, "result")), 0);
	assert_non_null(json_object_get(answer, "result"));
	json_decref(answer);
}

static void reload_removes_changes_and_adds(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, NETWORK "nics:\n" WEB BULK);
	succeeds(fixture, "nic.add", "{'name': 'socket', 'netdev': 'nowhere0'}");
	/* web must give before late can take, and that stands first. */
	write_file(fixture, NETWORK "nics:\n- {name: late, netdev: v1, receive: {min: 900Mbit}}\n"
				    "- {name: web, netdev: v0, receive: {max: 200Mbit}}\n");
	if (host_reload(&fixture->host, &fixture->error) < 0)
		fail_msg("%s", fixture->error.message);
	assert_int_equal(fixture->host.configuration->nics_count, 3);
	assert_int_equal(host_find_nic(&fixture->host, "bulk", NULL), -ENOENT);
	assert_true(number(fixture, "late", "receive", "min_bytes_per_s") == 112.5e6);
	assert_true(number(fixture, "web", "receive", "min_bytes_per_s") == 0);
	assert_true(number(fixture, "web", "receive", "max_bytes_per_s") == 25e6);
	assert_true(host_find_nic(&fixture->host, "socket", NULL) >= 0);
}

static void reload_names_what_is_fixed_and_changes_nothing(void **state)
{
	static const struct {
		const char *file, *named;
	} cases[] = {
		{"pools: [] # %s\n", "part 'network': has gone"},
		{"network: {host: h1, uplink: u0, link: 2Gbit, key: %s, period: 10ms, hosts: "
		 "[{name: h1, address: '::1'}]}\n",
			"key 'network.link': has changed; key 'network.period': has changed"},
		{"network: {host: h1, uplink: u0, link: 1Gbit, key: %s, hosts: [{name: h1, "
		 "address: '::2'}]}\n",
			"host 'h1': its own address has changed"},
		{NETWORK "nics: [{name: web, netdev: v1}]\n", "vNIC 'web': netdev cannot change"},
	};
	struct fixture *fixture = *state;

	start(fixture, NETWORK "nics:\n" WEB BULK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		write_file(fixture, cases[i].file);
		assert_true(host_reload(&fixture->host, &fixture->error) < 0);
		if (!strstr(fixture->error.message, cases[i].named))
			fail_msg("%s", fixture->error.message);
		assert_int_equal(fixture->host.configuration->nics_count, 2);
	}
}

static void metrics_tell_of_vnics(void **state)
{
	static const char *const expected[] = {
		"sluice_nic_present{nic=\"web\",netdev=\"v0\"} 1\n",
		"sluice_nic_promised_min_bytes_per_second{nic=\"web\",direction=\"receive\"} "
		"62500000\n",
		"sluice_nic_promised_max_bytes_per_second{nic=\"web\",direction=\"send\"} +Inf\n",
		"sluice_nic_promised_max_bytes_per_second{nic=\"bulk\",direction=\"send\"} "
		"12500000\n",
		"sluice_net_link_bytes_per_second{host=\"h1\",uplink=\"u0\"} 125000000\n",
		"sluice_agent_datagrams_refused_total{host=\"h1\",reason=\"forged\"} 0\n",
	};
	struct fixture *fixture = *state;
	size_t length;
	char *text;

	start(fixture, NETWORK "nics:\n" WEB BULK);
	text = metrics_text(&fixture->host, &length);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (!strstr(text, expected[i]))
			fail_msg("not in it: %s", expected[i]);
	free(text);
}

/* ---- vNICs that are served ---- */

/* Text or number of a vNIC's device; the caller frees the answer. */
static json_t *device_value(
	struct fixture *fixture, const char *name, const char *key, json_t **answer)
{
	char params[64];

	snprintf(params, sizeof params, "{'name': '%s'}", name);
	*answer = call(fixture, "nic.show", params);
	return json_object_get(json_object_get(json_object_get(*answer, "result"), "device"), key);
}

static void a_vnic_is_served_without_a_network(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer, *mac;
	char *before, *after;

	start(fixture, "nics: [{name: web, netdev: tap0, device: {queues: 2, mtu: 1400}}] # %s\n");
	assert_true(run("ip link show tap0 | grep -q 'mtu 1400.*state'"));
	mac = device_value(fixture, "web", "mac", &answer);
	/* Locally administered, and one card's. */
	assert_int_equal(strtol(json_string_value(mac), NULL, 16) & 3, 2);
	json_decref(answer);
	assert_int_equal(json_integer_value(device_value(fixture, "web", "queues", &answer)), 2);
	json_decref(answer);
	before = export(fixture);
	fails(fixture, "nic.set", "{'name': 'web', 'weight': 2}", "need a network");
	fails(fixture, "nic.set", "{'name': 'web', 'device': {'queues': 4}}",
		"its device cannot change");
	fails(fixture, "nic.add", "{'name': 'web', 'netdev': 'tap1', 'device': {}}", "exists");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'tap0', 'device': {}}", "vNIC 'web'");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'v0', 'device': {}}", "no tap");
	fails(fixture, "nic.add", "{'name': 'x', 'netdev': 'y', 'device': {'sidecore': 'z'}}",
		"device.sidecore");
	after = export(fixture);
	assert_string_equal(before, after);
	free(before);
	free(after);
	succeeds(fixture, "nic.set", "{'name': 'web', 'addresses': ['10.0.0.1']}");
	succeeds(fixture, "nic.remove", "{'name': 'web'}");
	assert_false(run("ip link show tap0 2>/dev/null"));
}

static void a_vnic_is_served_and_promised(void **state)
{
	struct fixture *fixture = *state;
	json_t *answer;

	start(fixture, NETWORK "nics:\n" WEB);
	succeeds(fixture, "nic.add",
		"{'name': 'vm', 'netdev': 'tap0', 'device': {'mac': '52:54:00:12:34:56'}, "
		"'receive': {'min': '100Mbit'}}");
	assert_true(number(fixture, "vm", "receive", "min_bytes_per_s") == 12.5e6);
	assert_string_equal(json_string_value(device_value(fixture, "vm", "mac", &answer)),
		"52:54:00:12:34:56");
	json_decref(answer);
	succeeds(fixture, "nic.set", "{'name': 'vm', 'receive': {'min': '200Mbit'}}");
	/* A device that cannot be takes its promises along. */
	fails(fixture, "nic.add",
		"{'name': 'x', 'netdev': 'v1', 'device': {}, 'receive': {'min': '100Mbit'}}",
		"no tap");
	assert_int_equal(host_find_nic(&fixture->host, "x", NULL), -ENOENT);
	succeeds(fixture, "nic.add", "{'name': 'x', 'netdev': 'v1'}");
}

static void reload_of_served_vnics(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "nics: [{name: a, netdev: tap0, device: {}}] # %s\n");
	write_file(fixture, "nics: [{name: a, netdev: tap0, device: {mtu: 1400}}] # %s\n");
	assert_true(host_reload(&fixture->host, &fixture->error) < 0);
	assert_non_null(strstr(fixture->error.message, "vNIC 'a': device cannot change"));
	write_file(fixture, "nics: [{name: b, netdev: tap1, device: {}}] # %s\n");
	if (host_reload(&fixture->host, &fixture->error) < 0)
		fail_msg("%s", fixture->error.message);
	assert_false(run("ip link show tap0 2>/dev/null"));
	assert_true(run("ip link show tap1 >/dev/null"));
	assert_true(host_find_nic(&fixture->host, "b", NULL) >= 0);
}

static void metrics_tell_of_devices(void **state)
{
	static const char *const expected[] = {
		"sluice_nic_device_connected{nic=\"a\",netdev=\"tap0\"} 0\n",
		"sluice_nic_device_link_up{nic=\"a\",netdev=\"tap0\"} 1\n",
		"sluice_nic_device_packets_total{nic=\"a\",netdev=\"tap0\",direction="
		"\"receive\"} 0\n",
		"sluice_nic_device_drops_total{nic=\"a\",netdev=\"tap0\",direction="
		"\"transmit\",reason=\"link\"} 0\n",
	};
	struct fixture *fixture = *state;
	size_t length;
	char *text;

	start(fixture, "nics: [{name: a, netdev: tap0, device: {}}] # %s\n");
	text = metrics_text(&fixture->host, &length);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (!strstr(text, expected[i]))
			fail_msg("not in it: %s", expected[i]);
	free(text);
}

/* Nobody answers there, which keeps nobody from starting. */
#define FLEET                                                                           \
	"network: {host: h1, uplink: u0, link: 1Gbit, key: %s, address: '::1', etcd: {" \
	"endpoints: ['http://127.0.0.1:1']}}\n"

static void metrics_tell_whether_etcd_is_there(void **state)
{
	struct fixture *fixture = *state;
	size_t length;
	char *text;

	start(fixture, FLEET "nics:\n" WEB);
	text = metrics_text(&fixture->host, &length);
	assert_non_null(strstr(text, "sluice_cluster_connected 0\n"));
	assert_non_null(strstr(text, "sluice_cluster_hosts 0\n"));
	free(text);
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(what_is_not_named_stays_as_it_is),
		WITH_FILES(what_is_added_is_exported_until_it_is_removed),
		WITH_FILES(what_is_taken_back_leaves_nothing_in_the_export),
		WITH_FILES(what_makes_no_sense_is_refused_and_changes_nothing),
		WITH_FILES(a_host_without_a_network_says_so),
		WITH_FILES(reload_removes_changes_and_adds),
		WITH_FILES(reload_names_what_is_fixed_and_changes_nothing),
		WITH_FILES(metrics_tell_of_vnics),
		WITH_FILES(metrics_tell_whether_etcd_is_there),
		WITH_FILES(a_vnic_is_served_without_a_network),
		WITH_FILES(a_vnic_is_served_and_promised),
		WITH_FILES(reload_of_served_vnics),
		WITH_FILES(metrics_tell_of_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
