/* What Prometheus is told, word by word, and who may ask. */
#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/histogram.h"
#include "control/metrics/exposition.h"
#include "control/metrics/metrics.h"
#include "control/metrics/metrics_server.h"

struct sample {
	uint64_t count;
	double real;
	bool truth;
	struct histogram latency;
};

#define FIELD(field) offsetof(struct sample, field)
static const struct metric metrics[] = {
	{"t_total", "counter", "Things.", METRIC_COUNT, FIELD(count), 0},
	{"t_seconds", "gauge", "Time.", METRIC_COUNT, FIELD(count), 1000},
	{"t_real", "gauge", "A number.", METRIC_REAL, FIELD(real), 0},
	{"t_is", "gauge", "Truth.", METRIC_TRUTH, FIELD(truth), 0},
};

static char *written(
	const struct metric_group *group, const struct metric_subject *subjects, unsigned count)
{
	char *text;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	exposition_write(to, group, subjects, count);
	fclose(to);
	return text;
}

static void metrics_come_one_by_one_with_every_subject(void **state)
{
	static const struct metric_group group = {{"disk", "pool"}, metrics, 4};
	const struct sample one = {1500, 0.25, true, {0}}, two = {7, INFINITY, false, {0}};
	const struct metric_subject subjects[] = {{{"gold", "fast"}, &one}, {{"b", "c"}, &two}};
	char *text = written(&group, subjects, 2);

	assert_string_equal(text, "# HELP t_total Things.\n"
				  "# TYPE t_total counter\n"
				  "t_total{disk=\"gold\",pool=\"fast\"} 1500\n"
				  "t_total{disk=\"b\",pool=\"c\"} 7\n"
				  "# HELP t_seconds Time.\n"
				  "# TYPE t_seconds gauge\n"
				  "t_seconds{disk=\"gold\",pool=\"fast\"} 1.5\n"
				  "t_seconds{disk=\"b\",pool=\"c\"} 0.007\n"
				  "# HELP t_real A number.\n"
				  "# TYPE t_real gauge\n"
				  "t_real{disk=\"gold\",pool=\"fast\"} 0.25\n"
				  "t_real{disk=\"b\",pool=\"c\"} +Inf\n"
				  "# HELP t_is Truth.\n"
				  "# TYPE t_is gauge\n"
				  "t_is{disk=\"gold\",pool=\"fast\"} 1\n"
				  "t_is{disk=\"b\",pool=\"c\"} 0\n");
	free(text);
	text = written(&group, subjects, 0);
	assert_string_equal(text, "");
	free(text);
}

static void labels_are_escaped(void **state)
{
	static const struct metric_group group = {{"name"}, metrics, 1};
	const struct sample sample = {0};
	const struct metric_subject subject = {{"a\"b\\c\nd"}, &sample};
	char *text = written(&group, &subject, 1);

	assert_non_null(strstr(text, "\nt_total{name=\"a\\\"b\\\\c\\nd\"} 0\n"));
	free(text);
}

static void what_has_no_labels_has_no_braces(void **state)
{
	static const struct metric_group group = {{NULL}, metrics, 1};
	const struct sample sample = {.count = 3};
	const struct metric_subject subject = {{NULL}, &sample};
	char *text = written(&group, &subject, 1);

	assert_non_null(strstr(text, "\nt_total 3\n"));
	free(text);
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
	static const struct metric latency = {
		"t_seconds", "histogram", "Latency.", METRIC_HISTOGRAM, FIELD(latency), 0};
	static const struct metric_group group = {{"disk"}, &latency, 1};
	struct sample *sample = calloc(1, sizeof *sample);
	const struct metric_subject subject = {{"gold"}, sample};
	char *text;

	histogram_record(&sample->latency, 5000);	   /* 5us */
	histogram_record(&sample->latency, 30000);	   /* 30us */
	histogram_record(&sample->latency, 3000000000ull); /* 3s */
	histogram_record(&sample->latency, 99000000000ull);
	text = written(&group, &subject, 1);
	assert_non_null(strstr(text, "# TYPE t_seconds histogram\n"
				     "t_seconds_bucket{disk=\"gold\",le=\"1e-05\"} 1\n"
				     "t_seconds_bucket{disk=\"gold\",le=\"2.5e-05\"} 1\n"
				     "t_seconds_bucket{disk=\"gold\",le=\"5e-05\"} 2\n"));
	assert_non_null(strstr(text, "le=\"2.5\"} 2\n"));
	assert_non_null(strstr(text, "t_seconds_bucket{disk=\"gold\",le=\"5\"} 3\n"
				     "t_seconds_bucket{disk=\"gold\",le=\"10\"} 3\n"
				     "t_seconds_bucket{disk=\"gold\",le=\"+Inf\"} 4\n"
				     "t_seconds_sum{disk=\"gold\"} 102.000035\n"
				     "t_seconds_count{disk=\"gold\"} 4\n"));
	free(text);
	free(sample);
}

/* A host with one disk in memory. */
static void a_host_tells_of_its_sidecores_pools_disks_and_tiers(void **state)
{
	static const char yaml[] =
		"sidecores: [{name: io7}]\n"
		"pools: [{name: fast, backend: ram, capacity: 10000}]\n"
		"disks: [{name: gold, size: 1MiB, socket: /tmp/sluice-test-metrics.sock, slo: "
		"{tiers: [{burst: 10, rate: 6000, within: 100ms}]}}]\n";
	static const char *const expected[] = {
		"sluice_info{version=\"" SLUICE_VERSION "\"} 1\n",
		"sluice_sidecore_cpu_seconds_total{sidecore=\"io7\"} ",
		"sluice_pool_capacity_units_per_second{pool=\"fast\",backend=\"ram\"} 10000\n",
		"sluice_disk_connected{disk=\"gold\",pool=\"fast\"} 0\n",
		"sluice_disk_size_bytes{disk=\"gold\",pool=\"fast\"} 1048576\n",
		"sluice_disk_tier_missed_total{disk=\"gold\",pool=\"fast\",tier=\"1\"} 0\n",
		"sluice_disk_tier_latency_seconds_count{disk=\"gold\",pool=\"fast\",tier=\"best_"
		"effort\"} 0\n",
	};
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;
	struct host host = {0};
	struct error error;
	size_t length;
	char *text;

	configuration_load(yaml, strlen(yaml), &configuration, problems);
	assert_non_null(configuration);
	assert_int_equal(host_start(&host, configuration, -1, &error), 0);
	text = metrics_text(&host, &length);
	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (!strstr(text, expected[i]))
			fail_msg("not in it: %s", expected[i]);
	free(text);
	free(problems);
	host_stop(&host, true);
}

/* ---- over HTTP ---- */

struct fixture {
	struct metrics_server *server;
	struct sockaddr_in address;
};

static char *two_lines(void *context, size_t *length)
{
	*length = 8;
	return strdup("one\ntwo\n");
}

/* On a port that is free. */
static int open_server(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof fixture->address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct error error;

	fixture->address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&fixture->address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&fixture->address, &length), 0);
	close(fd);
	memcpy(&address, &fixture->address, sizeof fixture->address);
	assert_int_equal(
		metrics_server_open(&address, two_lines, NULL, &fixture->server, &error), 0);
	*state = fixture;
	return 0;
}

static int close_server(void **state)
{
	struct fixture *fixture = *state;

	metrics_server_close(fixture->server);
	free(fixture);
	return 0;
}

static int connect_client(const struct fixture *fixture)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(
		connect(fd, (const struct sockaddr *)&fixture->address, sizeof fixture->address),
		0);
	return fd;
}

/* Serve, as the control thread does, until the client has all of its answer. */
static void ask(struct fixture *fixture, const char *request, char *answer, size_t size)
{
	int client = connect_client(fixture);
	size_t used = 0;
	ssize_t count = 1;

	assert_int_equal(write(client, request, strlen(request)), strlen(request));
	while (count > 0) {
		struct pollfd fds[] = {
			{metrics_server_fd(fixture->server), POLLIN, 0}, {client, POLLIN, 0}};

		poll(fds, 2, metrics_server_timeout_ms(fixture->server));
		metrics_server_run(fixture->server);
		if (!fds[1].revents)
			continue;
		count = read(client, answer + used, size - 1 - used);
		used += count > 0 ? (size_t)count : 0;
	}
	answer[used] = '\0';
	close(client);
}

static void metrics_are_text_for_prometheus(void **state)
{
	char answer[1024];

	ask(*state, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
		sizeof answer);
	assert_ptr_equal(strstr(answer, "HTTP/1.1 200 OK\r\n"), answer);
	assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(answer, "\r\n\r\none\ntwo\n"));
}

static void all_else_is_not_there(void **state)
{
	static const struct {
		const char *request, *status;
	} cases[] = {
		{"GET / HTTP/1.0\r\n\r\n", " 404 "},
		{"GET /metrics/ HTTP/1.0\r\n\r\n", " 404 "},
		{"POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", " 405 "},
		{"DELETE /metrics HTTP/1.0\r\n\r\n", " 405 "},
		{"PUT /else HTTP/1.0\r\n\r\n", " 404 "},
		{"nonsense\r\n\r\n", " 400 "},
	};
	char answer[1024];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask(*state, cases[i].request, answer, sizeof answer);
		if (!strstr(answer, cases[i].status) && *answer)
			fail_msg("%s: %s", cases[i].request, answer);
	}
}

/* More clients than there are places say nothing at all; their time runs out. */
static void clients_that_are_stuck_do_not_stay(void **state)
{
	struct fixture *fixture = *state;
	int stuck[24];
	char answer[1024];

	for (size_t i = 0; i < 24; i++) {
		stuck[i] = connect_client(fixture);
		metrics_server_run(fixture->server);
	}
	ask(fixture, "GET /metrics HTTP/1.0\r\n\r\n", answer, sizeof answer);
	assert_non_null(strstr(answer, "one\ntwo\n"));
	for (size_t i = 0; i < 24; i++)
		close(stuck[i]);
}

static void a_port_that_is_taken_is_an_error(void **state)
{
	const struct fixture *fixture = *state;
	struct sockaddr_storage address = {0};
	struct metrics_server *second;
	struct error error;

	memcpy(&address, &fixture->address, sizeof fixture->address);
	assert_int_equal(
		metrics_server_open(&address, two_lines, NULL, &second, &error), -EADDRINUSE);
	assert_null(second);
	assert_non_null(strstr(error.message, "control.metrics"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metrics_come_one_by_one_with_every_subject),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(what_has_no_labels_has_no_braces),
		cmocka_unit_test(a_histogram_is_cumulative_and_in_seconds),
		cmocka_unit_test(a_host_tells_of_its_sidecores_pools_disks_and_tiers),
		cmocka_unit_test_setup_teardown(
			metrics_are_text_for_prometheus, open_server, close_server),
		cmocka_unit_test_setup_teardown(all_else_is_not_there, open_server, close_server),
		cmocka_unit_test_setup_teardown(
			clients_that_are_stuck_do_not_stay, open_server, close_server),
		cmocka_unit_test_setup_teardown(
			a_port_that_is_taken_is_an_error, open_server, close_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
