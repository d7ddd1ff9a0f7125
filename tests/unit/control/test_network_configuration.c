/* The network's part of sluice.yaml: what it means, and what is said about mistakes. */
#include "../cmocka_all.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/configuration/cluster_values.h"
#include "control/configuration/configuration.h"
#include "control/configuration/network_values.h"

#define NETWORK                                                                      \
	"network: {host: h1, uplink: up0, link: 1Gbit, key: /k, hosts: [{name: h1, " \
	"address: 10.0.0.1, serves: [10.0.1.1]}]}\n"

#define FLEET(network, etcd) \
	"network: {host: h1, uplink: up0, link: 1Gbit, key: /k" network ", etcd: {" etcd "}}\n"
#define ENDPOINTS "endpoints: [http://10.0.0.1:2379]"

static struct configuration *configuration;
static struct problems problems;

static int tear_down(void **state)
{
	configuration_free(configuration);
	configuration = NULL;
	return 0;
}

static void load(const char *text)
{
	configuration_free(configuration);
	memset(&problems, 0, sizeof problems);
	configuration_load(text, strlen(text), &configuration, &problems);
}

static void expect(const char *text, const char *path, const char *complaint)
{
	load(text);
	assert_null(configuration);
	assert_int_equal(problems.count, 1);
	assert_string_equal(problems.list[0].path, path);
	assert_string_equal(problems.list[0].text, complaint);
}

static void what_is_written_is_what_is_meant(void **state)
{
	struct agent_config agent;
	struct nic_config nic;

	load(NETWORK
		"nics: [{name: web, netdev: tap0, addresses: [10.0.1.1, 'fd00::1'], send: {max: "
		"200Mbit}, receive: {min: 500Mbit}, weight: 3}]\n");
	assert_non_null(configuration);
	values_of_network(configuration->network, "", &agent, &problems);
	assert_string_equal(agent.uplink, "up0");
	assert_int_equal(agent.link_bytes_per_s, 125000000);
	assert_int_equal(agent.period_ns, 5000000);
	values_of_nic(&configuration->nics[0], "", &nic, &problems);
	assert_int_equal(nic.address_count, 2);
	assert_int_equal(nic.addresses[0].s6_addr[11], 0xff); /* IPv4, mapped */
	assert_int_equal(nic.addresses[0].s6_addr[15], 1);
	assert_int_equal(nic.send_min, 0);
	assert_int_equal(nic.send_max, 25000000);
	assert_true(nic.receive.min == 62500000);
	assert_true(isinf(nic.receive.max));
	assert_true(nic.receive.weight == 3);
}

static void nothing_promised_is_the_default(void **state)
{
	struct nic_config nic;

	load(NETWORK "nics: [{name: web, netdev: tap0}]\n");
	assert_non_null(configuration);
	values_of_nic(&configuration->nics[0], "", &nic, &problems);
	assert_int_equal(nic.send_min, 0);
	assert_true(nic.send_max == UINT64_MAX);
	assert_true(nic.receive.min == 0);
	assert_true(isinf(nic.receive.max));
	assert_true(nic.receive.weight == 1);
}

static void a_host_serves_vnics_of_several_addresses(void **state)
{
	struct directory *directory = directory_create();
	struct in6_addr address = {.s6_addr = {0xfd}};
	struct sockaddr_in6 own;

	address.s6_addr[15] = 1;
	load("network: {host: h1, uplink: up0, link: 1Gbit, key: /k, hosts: [{name: h1, address: "
	     "10.0.0.1, serves: ['10.0.1.1, fd00::1', 10.0.1.2]}]}\n");
	assert_non_null(configuration);
	values_of_hosts(configuration->network, "", directory, &own, &problems);
	assert_int_equal(problems.count, 0);
	assert_int_equal(directory_nic_at(directory, &address)->address_count, 2);
	directory_destroy(directory);
}

static void devices_need_no_network_but_promises_do(void **state)
{
	load("nics: [{name: web, netdev: tap0, device: {}}]\n");
	assert_non_null(configuration);
	expect("nics: [{name: web, netdev: tap0, device: {}, send: {max: 1Gbit}}]\n", "nics[0]",
		"'send', 'receive' and 'weight' need a 'network', and there is none; add one, or "
		"remove them");
	expect("nics: [{name: web, netdev: tap0, device: {queues: 9}}]\n", "nics[0].device.queues",
		"9 is out of range; it must be from 1 to 8");
	expect("nics: [{name: web, netdev: tap0, device: {mtu: 67}}]\n", "nics[0].device.mtu",
		"67 is out of range; it must be from 68 to 65521");
	expect("nics: [{name: web, netdev: tap0, device: {mac: '01:00:00:00:00:01'}}]\n",
		"nics[0].device.mac", "'01:00:00:00:00:01' is no single card's address");
	expect("nics: [{name: web, netdev: tap0, device: {socket: s}}]\n", "nics[0].device.socket",
		"'s' is relative; write the whole path, from /");
	expect("nics: [{name: web, netdev: tap0, device: {sidecore: x}}]\n",
		"nics[0].device.sidecore", "there is no sidecore 'x'; there is: none");
}

static void mistakes_are_named_with_their_mend(void **state)
{
	expect("nics: [{name: web, netdev: tap0}]\n", "nics",
		"there is no 'network'; add one, with this host's 'uplink'");
	expect("network: {host: h2, uplink: up0, link: 1Gbit, key: /k, hosts: [{name: h1, address: "
	       "10.0.0.1}]}\n",
		"network.host", "'h2' is not among 'hosts'; add it there");
	expect("network: {host: h1, uplink: up0, link: 1Gbps, key: /k, hosts: [{name: h1, address: "
	       "10.0.0.1}]}\n",
		"network.link",
		"'1Gbps' is not a bandwidth; write it like 500Mbit (kbit, Mbit, Gbit)");
	expect("network: {host: h1, uplink: up0, link: 1Gbit, key: /k, hosts: [{name: h1, address: "
	       "10.0.0}]}\n",
		"network.hosts[0].address",
		"'10.0.0' is not an address; write it like 10.0.0.7 or fd00::7");
	expect("network: {host: h1, uplink: up0, link: 1Gbit, key: /k, hosts: [{name: h1, address: "
	       "10.0.0.1, serves: ['10.0.1.1,x']}]}\n",
		"network.hosts[0].serves[0]",
		"'x' is not an address; write it like 10.0.0.7 or fd00::7");
	expect(NETWORK "nics: [{name: a, netdev: tap0}, {name: b, netdev: tap0}]\n",
		"nics[1].netdev", "'tap0' is taken by nics[0]; a netdev is one vNIC's");
	expect(NETWORK "nics: [{name: a, netdev: up0}]\n", "nics[0].netdev",
		"'up0' is the uplink; a vNIC's is the host's end of it: a tap, a veth");
	expect(NETWORK "nics: [{name: a, netdev: tap0, addresses: [10.0.1.1]}, {name: b, netdev: "
		       "tap1, addresses: ['::ffff:10.0.1.1']}]\n",
		"nics[1].addresses", "'10.0.1.1' is taken by nics[0]; an address is one vNIC's");
	expect(NETWORK "nics: [{name: a, netdev: tap0, addresses: [224.0.0.1]}]\n",
		"nics[0].addresses[0]",
		"'224.0.0.1' is nobody's address; write one like 10.0.0.7 or fd00::7");
	expect(NETWORK "nics: [{name: a, netdev: tap0, weight: 0}]\n", "nics[0].weight",
		"must be 1 or more");
	expect(NETWORK "nics: [{name: a, netdev: tap0, send: {min: 2Mbit, max: 1Mbit}}]\n",
		"nics[0].send", "'max' must be more than 0 and no less than 'min'");
}

static void a_fleets_hosts_are_found_in_etcd(void **state)
{
	struct cluster_config *cluster = calloc(1, sizeof *cluster);

	load(FLEET(", address: 10.0.0.9",
		"endpoints: ['http://10.0.0.1:2379/', 'https://[fd00::2]:2379'], lease: 1min, ca: "
		"/ca, cert: /c, cert_key: /ck, user: sluice, password_file: /p"));
	assert_non_null(configuration);
	values_of_cluster(configuration->network, "", cluster, &problems);
	assert_int_equal(problems.count, 0);
	assert_int_equal(cluster->etcd.endpoint_count, 2);
	assert_string_equal(cluster->etcd.endpoints[0], "http://10.0.0.1:2379");
	assert_string_equal(cluster->etcd.endpoints[1], "https://[fd00::2]:2379");
	assert_string_equal(cluster->etcd.prefix, "/sluice");
	assert_int_equal(cluster->etcd.lease_s, 60);
	assert_string_equal(cluster->etcd.cert_key, "/ck");
	assert_string_equal(cluster->host.host.name, "h1");
	assert_int_equal(cluster->host.host.endpoint.sin6_addr.s6_addr[15], 9);
	free(cluster);
}

static void hosts_are_listed_or_found(void **state)
{
	expect("network: {host: h1, uplink: up0, link: 1Gbit, key: /k}\n", "network",
		"'hosts' is missing; list the cluster's hosts there, or say with 'etcd' where they "
		"are found");
	expect(FLEET(", address: 10.0.0.9, hosts: [{name: h1, address: 10.0.0.9}]", ENDPOINTS),
		"network",
		"there are 'hosts' and 'etcd'; on a fleet, leave 'hosts' to etcd: remove them");
	expect(FLEET("", ENDPOINTS), "network",
		"'address' is missing; with 'etcd', add 'address: ...' of this host's agent");
	expect("network: {host: h1, uplink: up0, link: 1Gbit, key: /k, address: 10.0.0.9, hosts: "
	       "[{name: h1, address: 10.0.0.9}]}\n",
		"network.address",
		"goes with 'etcd' only; 'hosts' has this host's address already: remove it");
}

#define ADDRESS ", address: 10.0.0.9"

static void mistakes_about_etcd_are_named_with_their_mend(void **state)
{
	static const char *const wrong[] = {"10.0.0.1:2379", "http://10.0.0.1/v3", "ftp://10.0.0.1",
		"http://u:p@10.0.0.1", "http://10.0.0.1:99999", "http://10.0.0.1?a"};
	char text[256], complaint[256];

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		snprintf(text, sizeof text, FLEET(ADDRESS, "endpoints: ['%s']"), wrong[i]);
		snprintf(complaint, sizeof complaint,
			"'%s' is not an address of etcd; write it like http://10.0.0.1:2379",
			wrong[i]);
		expect(text, "network.etcd.endpoints[0]", complaint);
	}
	expect(FLEET(ADDRESS, "endpoints: []"), "network.etcd.endpoints",
		"is empty; add one like http://10.0.0.1:2379");
	expect(FLEET(ADDRESS, ENDPOINTS ", prefix: sluice/"), "network.etcd.prefix",
		"must begin with a '/', and not end with one, like /sluice");
	expect(FLEET(ADDRESS, ENDPOINTS ", lease: 1s"), "network.etcd.lease",
		"must be from 5s to 10min");
	expect(FLEET(ADDRESS, ENDPOINTS ", cert: /c"), "network.etcd",
		"'cert' and 'cert_key' go together; give both or neither");
	expect(FLEET(ADDRESS, ENDPOINTS ", user: sluice"), "network.etcd",
		"'user' and 'password_file' go together; give both or neither");
}

static void promises_that_do_not_fit_the_link_are_refused_with_the_shortfall(void **state)
{
	expect(NETWORK "nics: [{name: a, netdev: tap0, receive: {min: 600Mbit}}, {name: b, netdev: "
		       "tap1, receive: {min: 400Mbit}}]\n",
		"nics",
		"the 'min' of all 'receive' add up to 1000 Mbit, and the link has 970 to give; "
		"lower them by 30 Mbit");
}

static const char *write_key(const char *text, mode_t mode)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof path, "/tmp/sluice-key-XXXXXX");
	fd = mkstemp(path);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	fchmod(fd, mode);
	close(fd);
	return path;
}

static int read_key(const char *text, mode_t mode, struct error *error)
{
	uint8_t key[ENVELOPE_KEY_BYTES];
	const char *path = write_key(text, mode);
	int result = network_read_key(path, key, error);

	unlink(path);
	return result;
}

static void a_key_is_hexadecimal_and_private(void **state)
{
	static const char good[] =
		"00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n";
	struct error error;

	assert_int_equal(read_key(good, 0600, &error), 0);
	assert_int_equal(read_key(good, 0644, &error), -EPERM);
	assert_non_null(strstr(error.message, "chmod 600"));
	assert_int_equal(read_key("0011", 0600, &error), -EINVAL);
	assert_non_null(strstr(error.message, "openssl rand -hex 32"));
	assert_int_equal(network_read_key("/nonexistent", NULL, &error), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_is_written_is_what_is_meant, tear_down),
		cmocka_unit_test_teardown(a_host_serves_vnics_of_several_addresses, tear_down),
		cmocka_unit_test_teardown(nothing_promised_is_the_default, tear_down),
		cmocka_unit_test_teardown(a_fleets_hosts_are_found_in_etcd, tear_down),
		cmocka_unit_test_teardown(hosts_are_listed_or_found, tear_down),
		cmocka_unit_test_teardown(mistakes_about_etcd_are_named_with_their_mend, tear_down),
		cmocka_unit_test_teardown(mistakes_are_named_with_their_mend, tear_down),
		cmocka_unit_test_teardown(devices_need_no_network_but_promises_do, tear_down),
		cmocka_unit_test_teardown(
			promises_that_do_not_fit_the_link_are_refused_with_the_shortfall,
			tear_down),
		cmocka_unit_test(a_key_is_hexadecimal_and_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
