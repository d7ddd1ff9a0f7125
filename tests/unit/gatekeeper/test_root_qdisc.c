/*
 * What a netdev had at its root before a shaper took it: on a real veth, in a network namespace of its
 * own; skipped without the rights, and where the kernel does not have the kind of qdisc.
 */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "gatekeeper/netdev/netlink.h"
#include "gatekeeper/netdev/root_note.h"
#include "gatekeeper/netdev/shaper.h"
#include "own_network.h"
#include "state_directory.h"

#define LINK 125000000u

static struct shaper *shaper;

static void take(void)
{
	struct error error;

	if (shaper_open("v0", LINK, state_directory, &shaper, &error) < 0)
		fail_msg("%s", error.message);
	assert_true(run("tc qdisc show dev v0 root | grep -q '^qdisc htb 5157:'"));
}

static void configure(const char *qdisc)
{
	char command[256];

	snprintf(command, sizeof command, "tc qdisc replace dev v0 root %s 2>/dev/null", qdisc);
	if (!run(command))
		skip();
}

/* What tc says of the root, without its count of references. */
static void tell_root(char *text, int bytes)
{
	FILE *tc = popen("tc qdisc show dev v0 root | sed 's/refcnt [0-9]* //'", "r");

	assert_non_null(tc);
	text[fread(text, 1, bytes - 1, tc)] = 0;
	pclose(tc);
}

static bool has_note(void)
{
	char *path = root_note_path(state_directory, "v0");
	bool is_there = access(path, F_OK) == 0;

	free(path);
	return is_there;
}

static void assert_put_back(const char *qdisc)
{
	char before[512], after[512];

	configure(qdisc);
	tell_root(before, sizeof before);
	take();
	assert_true(has_note());
	shaper_remove(shaper);
	tell_root(after, sizeof after);
	assert_string_equal(after, before);
	assert_false(has_note());
}

static void a_token_bucket_is_put_back(void **state)
{
	need_own_network();
	assert_put_back("handle 7: tbf rate 3mbit burst 10k latency 50ms peakrate 5mbit mtu 2000");
}

static void a_queue_with_a_limit_is_put_back(void **state)
{
	need_own_network();
	assert_put_back("handle 1: pfifo limit 7");
	assert_put_back("handle 2: bfifo limit 70000");
}

static void a_handle_that_the_kernel_gave_is_put_back(void **state)
{
	need_own_network();
	assert_put_back("pfifo limit 7");
}

static void a_configured_multiqueue_root_is_put_back(void **state)
{
	need_own_network();
	assert_true(run("ip link del v0; ip link add v0 numtxqueues 4 type veth peer name v1; ip "
			"link set v0 up"));
	assert_put_back("handle 3: mq");
}

static void an_fq_codel_is_put_back_with_its_options(void **state)
{
	need_own_network();
	assert_put_back("handle 1: fq_codel limit 500 target 7ms flows 64 noecn");
}

static void an_sfq_is_put_back_with_its_options(void **state)
{
	need_own_network();
	assert_put_back("handle 1: sfq perturb 10 limit 100");
}

static void an_fq_is_put_back_with_its_options(void **state)
{
	need_own_network();
	assert_put_back("handle 1: fq limit 333 flow_limit 20");
}

static void a_cake_is_put_back_with_its_options(void **state)
{
	need_own_network();
	assert_put_back("handle 1: cake bandwidth 7mbit besteffort");
}

static void the_kernels_default_comes_back_by_itself(void **state)
{
	char before[512], after[512];

	need_own_network();
	tell_root(before, sizeof before);
	take();
	assert_false(has_note());
	shaper_remove(shaper);
	tell_root(after, sizeof after);
	assert_string_equal(after, before);
}

static void the_default_of_many_queues_comes_back_by_itself(void **state)
{
	char before[512], after[512];

	need_own_network();
	assert_true(run("ip link del v0; ip link add v0 numtxqueues 4 type veth peer name v1; ip "
			"link set v0 up"));
	tell_root(before, sizeof before);
	take();
	shaper_remove(shaper);
	tell_root(after, sizeof after);
	assert_string_equal(after, before);
}

/* ---- what is not taken ---- */

static void assert_refused(const char *kind, const char *reason)
{
	char before[512], after[512];
	struct error error;

	tell_root(before, sizeof before);
	assert_int_equal(shaper_open("v0", LINK, state_directory, &shaper, &error), -EBUSY);
	assert_non_null(strstr(error.message, "netdev 'v0'"));
	assert_non_null(strstr(error.message, kind));
	assert_non_null(strstr(error.message, reason));
	assert_non_null(strstr(error.message, "tc qdisc del dev v0 root"));
	tell_root(after, sizeof after);
	assert_string_equal(after, before);
	assert_false(has_note());
}

static void a_root_with_classes_is_refused(void **state)
{
	need_own_network();
	configure("handle 1: htb default 10");
	assert_true(run("tc class add dev v0 parent 1: classid 1:10 htb rate 1mbit"));
	assert_refused("'htb'", "classes");
}

static void a_root_with_qdiscs_below_it_is_refused(void **state)
{
	need_own_network();
	configure("handle 1: tbf rate 3mbit burst 10k latency 50ms");
	assert_true(run("tc qdisc add dev v0 parent 1:1 handle 10: pfifo limit 5"));
	assert_refused("'tbf'", "qdiscs below");
}

static void a_multiqueue_root_with_configured_queues_is_refused(void **state)
{
	need_own_network();
	assert_true(run("ip link del v0; ip link add v0 numtxqueues 4 type veth peer name v1; ip "
			"link set v0 up"));
	configure("handle 1: mq");
	assert_true(run("tc qdisc replace dev v0 parent 1:2 handle 10: pfifo limit 5"));
	assert_refused("'mq'", "qdiscs below");
}

static void a_root_with_a_size_table_is_refused(void **state)
{
	need_own_network();
	configure("handle 1: stab overhead 20 linklayer atm pfifo limit 7");
	assert_refused("'pfifo'", "does not tell");
}

static void a_root_with_filters_is_refused(void **state)
{
	need_own_network();
	configure("handle 1: fq_codel");
	assert_true(run("tc filter add dev v0 parent 1: protocol ip prio 1 u32 match u32 0 0 "
			"flowid 1:1"));
	assert_refused("'fq_codel'", "filters");
}

static void without_a_place_for_the_note_nothing_is_taken(void **state)
{
	struct error error;

	need_own_network();
	configure("handle 1: pfifo limit 7");
	assert_int_equal(shaper_open("v0", LINK, "/nowhere", &shaper, &error), -ENOENT);
	assert_non_null(strstr(error.message, "/nowhere/v0.qdisc"));
	assert_true(run("tc qdisc show dev v0 root | grep -q 'pfifo 1:.*limit 7p'"));
}

/* ---- successors ---- */

static void a_successor_puts_back_what_its_predecessor_found(void **state)
{
	int status;
	pid_t child;

	need_own_network();
	configure("handle 7: tbf rate 3mbit burst 10k latency 50ms");
	child = fork();
	if (child == 0) {
		take();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	take();
	shaper_remove(shaper);
	assert_true(run("tc qdisc show dev v0 root | grep -q 'tbf 7:.*rate 3Mbit burst 10Kb'"));
	assert_false(has_note());
}

static void find_root(struct root_qdisc *root)
{
	struct nl_sock *socket;

	assert_int_equal(netlink_open(&socket), 0);
	assert_int_equal(root_qdisc_find(socket, (int)if_nametoindex("v0"), root), 0);
	nl_socket_free(socket);
}

/* Put a note there as if it had been written by one who was killed right after. */
static void leave_note(const struct root_qdisc *root)
{
	char *path = root_note_path(state_directory, "v0");

	assert_int_equal(root_note_write(path, root), 0);
	free(path);
}

static void a_note_whose_writer_died_before_the_deed_is_forgotten(void **state)
{
	struct root_qdisc root;

	need_own_network();
	configure("handle 7: pfifo limit 7");
	find_root(&root);
	leave_note(&root);
	assert_true(run("tc qdisc del dev v0 root"));
	take();
	assert_false(has_note());
	shaper_remove(shaper);
	assert_false(run("tc qdisc show dev v0 root | grep -q pfifo"));
}

static void a_note_about_another_netdev_is_not_used(void **state)
{
	struct root_qdisc root;

	need_own_network();
	configure("handle 7: pfifo limit 7");
	find_root(&root);
	assert_true(run("tc qdisc del dev v0 root"));
	take();
	shaper_close(shaper);
	root.ifindex++;
	leave_note(&root);
	take();
	shaper_remove(shaper);
	assert_false(run("tc qdisc show dev v0 root | grep -q pfifo"));
	assert_true(has_note());
	assert_true(run("rm /tmp/sluice-notes-*/v0.qdisc"));
}

static void a_note_that_is_none_is_not_used(void **state)
{
	char *path = root_note_path(state_directory, "v0");
	int file;

	need_own_network();
	take();
	shaper_close(shaper);
	file = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(file, "nonsense", 8), 8);
	close(file);
	take();
	shaper_remove(shaper);
	assert_false(run("tc qdisc show dev v0 | grep -q htb"));
	assert_int_equal(unlink(path), 0);
	free(path);
}

static void what_was_put_in_our_place_stays(void **state)
{
	need_own_network();
	configure("handle 7: pfifo limit 7");
	take();
	assert_true(run("tc qdisc replace dev v0 root handle 9: pfifo limit 99"));
	shaper_remove(shaper);
	assert_true(run("tc qdisc show dev v0 root | grep -q 'pfifo 9:.*limit 99p'"));
	assert_false(has_note());
}

/* ---- notes ---- */

static const struct root_qdisc sample = {.ifindex = 3,
	.handle = 0x10000,
	.kind = "tbf",
	.is_told_whole = true,
	.options_type = 2,
	.options_bytes = 3,
	.options = {1, 2, 3}};

static void a_note_is_read_as_it_was_written(void **state)
{
	char *path = root_note_path(state_directory, "x");
	struct root_qdisc again;
	struct stat file;

	assert_int_equal(root_note_write(path, &sample), 0);
	assert_int_equal(root_note_write(path, &sample), 0);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 0777, 0600);
	assert_int_equal(root_note_read(path, 3, &again), 0);
	assert_memory_equal(&again, &sample, sizeof again);
	assert_int_equal(root_note_read(path, 4, &again), -ESTALE);
	assert_int_equal(root_note_remove(path), 0);
	assert_int_equal(root_note_read(path, 3, &again), -ENOENT);
	assert_int_equal(root_note_remove(path), 0);
	free(path);
}

/* The sample with something changed is refused. */
static void assert_no_note(struct root_qdisc changed)
{
	struct nl_msg *message = root_qdisc_describe(&changed);
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct root_qdisc again;

	assert_int_equal(root_note_parse(header, header->nlmsg_len, &again), -EBADMSG);
	nlmsg_free(message);
}

static void a_note_about_what_we_do_not_put_back_is_refused(void **state)
{
	struct root_qdisc changed = sample;

	strcpy(changed.kind, "htb");
	assert_no_note(changed);
	changed = sample;
	changed.handle = 0;
	assert_no_note(changed);
	changed.handle = 0x10001;
	assert_no_note(changed);
	changed = sample;
	changed.ifindex = -1;
	assert_no_note(changed);
}

static void a_note_that_is_cut_short_or_goes_on_is_refused(void **state)
{
	struct nl_msg *message = root_qdisc_describe(&sample);
	struct nlmsghdr *header = nlmsg_hdr(message);
	struct root_qdisc again;

	for (unsigned bytes = 0; bytes < header->nlmsg_len; bytes++)
		assert_int_equal(root_note_parse(header, bytes, &again), -EBADMSG);
	assert_int_equal(root_note_parse(header, header->nlmsg_len + 4, &again), -EBADMSG);
	nlmsg_free(message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_bucket_is_put_back),
		cmocka_unit_test(a_queue_with_a_limit_is_put_back),
		cmocka_unit_test(a_handle_that_the_kernel_gave_is_put_back),
		cmocka_unit_test(a_configured_multiqueue_root_is_put_back),
		cmocka_unit_test(an_fq_codel_is_put_back_with_its_options),
		cmocka_unit_test(an_sfq_is_put_back_with_its_options),
		cmocka_unit_test(an_fq_is_put_back_with_its_options),
		cmocka_unit_test(a_cake_is_put_back_with_its_options),
		cmocka_unit_test(the_kernels_default_comes_back_by_itself),
		cmocka_unit_test(the_default_of_many_queues_comes_back_by_itself),
		cmocka_unit_test(a_root_with_classes_is_refused),
		cmocka_unit_test(a_root_with_qdiscs_below_it_is_refused),
		cmocka_unit_test(a_multiqueue_root_with_configured_queues_is_refused),
		cmocka_unit_test(a_root_with_a_size_table_is_refused),
		cmocka_unit_test(a_root_with_filters_is_refused),
		cmocka_unit_test(without_a_place_for_the_note_nothing_is_taken),
		cmocka_unit_test(a_successor_puts_back_what_its_predecessor_found),
		cmocka_unit_test(a_note_whose_writer_died_before_the_deed_is_forgotten),
		cmocka_unit_test(a_note_about_another_netdev_is_not_used),
		cmocka_unit_test(a_note_that_is_none_is_not_used),
		cmocka_unit_test(what_was_put_in_our_place_stays),
		cmocka_unit_test(a_note_is_read_as_it_was_written),
		cmocka_unit_test(a_note_about_what_we_do_not_put_back_is_refused),
		cmocka_unit_test(a_note_that_is_cut_short_or_goes_on_is_refused),
	};

	return cmocka_run_group_tests(tests, make_state_directory, remove_state_directory);
}
