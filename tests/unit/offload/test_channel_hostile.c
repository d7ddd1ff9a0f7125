/*
 * Clients that do not keep to the protocol of a module channel. Whatever one does, it loses its own connection at most, and another
 * one goes on.
 */
#include "../cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/channel_private.h"
#include "echo_host.h"

static struct echo_host host;
static struct channel *channel;
static struct channel_connection *attacker, *bystander;

static void set_up(bool is_pci)
{
	echo_host_init(&host, is_pci);
	host.config.message_bytes_max = 1u << 20;
	host.config.messages_bytes_max = 3u << 19;
	echo_host_start(&host);
	channel = echo_host_open_channel(&host);
	assert_int_equal(channel_connect(channel, &bystander), 0);
	assert_int_equal(channel_connect(channel, &attacker), 0);
}

static int set_up_unix(void **state)
{
	set_up(false);
	return 0;
}

static int set_up_pci(void **state)
{
	set_up(true);
	return 0;
}

/* After each attack, who did not attack has an answer, and who did can come back. */
static void expect_answer(struct channel_connection *connection)
{
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_memory_equal(reply, "echo", 4);
}

static int tear_down(void **state)
{
	expect_answer(bystander);
	channel_disconnect(attacker);
	assert_int_equal(channel_connect(channel, &attacker), 0);
	expect_answer(attacker);
	channel_disconnect(attacker);
	channel_disconnect(bystander);
	channel_close(channel);
	echo_host_end(&host);
	return 0;
}

static bool becomes_lost(const struct channel_connection *connection)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (channel_is_lost(connection))
			return true;
		usleep(1000);
	}
	return false;
}

static void expect_broken(void)
{
	struct channel_server_counters counters;

	assert_true(becomes_lost(attacker));
	channel_server_counters(host.server, &counters);
	assert_int_equal(counters.broken, 1);
}

/* ---- requests ---- */

static void show_tail(uint32_t tail)
{
	channel_show(attacker, &attacker->slot->client_request.request_tail, tail,
		SLUICE_CHANNEL_WAKE_FOR_DATA);
}

static void show_record(uint32_t bytes, uint32_t flags, uint32_t tail)
{
	channel_record_put(&attacker->requests, attacker->request_tail,
		(struct sluice_channel_record){bytes, flags});
	show_tail(tail);
}

static void request_tail_jumps_past_the_ring(void **state)
{
	show_tail(attacker->requests.size + 8);
	expect_broken();
}

static void request_tail_goes_back(void **state)
{
	show_tail((uint32_t)-8);
	expect_broken();
}

static void request_tail_is_not_aligned(void **state)
{
	show_tail(12);
	expect_broken();
}

static void record_is_longer_than_what_was_shown(void **state)
{
	show_record(1000, 0, 16);
	expect_broken();
}

static void record_is_longer_than_the_ring(void **state)
{
	show_record(attacker->requests.size, 0, attacker->requests.size);
	expect_broken();
}

static void record_has_a_length_whose_sum_overflows(void **state)
{
	show_record(0xffffffff, 0, attacker->requests.size);
	expect_broken();
}

static void record_has_unknown_flags(void **state)
{
	show_record(8, 0x80000000, 16);
	expect_broken();
}

static void fragment_is_empty(void **state)
{
	show_record(0, SLUICE_CHANNEL_RECORD_MORE, 8);
	expect_broken();
}

/* Returns how many bytes of a message were sent when the connection was lost, or there were so many. */
static size_t leave_unfinished(struct channel_connection *connection, size_t bytes)
{
	const uint32_t fragment = 8000;
	size_t sent = 0;

	while (sent < bytes && !channel_is_lost(connection)) {
		if (!channel_has_room(connection, fragment)) {
			usleep(100);
			continue;
		}
		channel_record_put(&connection->requests, connection->request_tail,
			(struct sluice_channel_record){fragment, SLUICE_CHANNEL_RECORD_MORE});
		connection->request_tail += channel_record_room(fragment);
		channel_show(connection, &connection->slot->client_request.request_tail,
			connection->request_tail, SLUICE_CHANNEL_WAKE_FOR_DATA);
		sent += fragment;
	}
	return sent;
}

static void message_has_more_for_ever(void **state)
{
	const size_t sent = leave_unfinished(attacker, 8u << 20);

	expect_broken();
	assert_in_range(sent, 1u << 20, (1u << 20) + 80000);
}

/* The server may hold one and a half; what a connection held is there for others when it was closed. */
static void unfinished_messages_fill_no_more_memory_than_there_is_for_all(void **state)
{
	struct channel_connection *second;
	const struct iovec large = {calloc(1, 1000000), 1000000};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_connect(channel, &second), 0);
	assert_in_range(leave_unfinished(second, 1000000), 1000000, 1008000);
	leave_unfinished(attacker, 1000000);
	expect_broken();
	channel_disconnect(second);
	while (channel_call(bystander, &large, 1, &reply, &bytes) != 0) {
		channel_disconnect(bystander);
		usleep(100000);
		assert_int_equal(channel_connect(channel, &bystander), 0);
	}
	free(large.iov_base);
}

static void storm_of_empty_messages_is_answered(void **state)
{
	const void *reply;
	size_t bytes;

	for (unsigned i = 0; i < 20000; i++)
		assert_int_equal(channel_send(attacker, NULL, 0), 0);
	expect_answer(bystander);
	for (unsigned i = 0; i < 20000; i++) {
		assert_int_equal(channel_receive(attacker, &reply, &bytes), 0);
		assert_int_equal(bytes, 0);
	}
}

/* ---- changes behind the host's back ---- */

static uint32_t is_over;

static void *change_heads(void *argument)
{
	uint64_t head = 0;

	/* Each place where a record may begin: lengths, flags, in turn. */
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		head = head * 6364136223846793005u + 1442695040888963407u;
		for (uint32_t at = 0; at < 4096; at += 8)
			__atomic_store_n(channel_record_at(&attacker->requests, at),
				at % 64 ? head >> 3 : 100, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void lengths_change_while_they_are_read(void **state)
{
	pthread_t thread;

	is_over = 0;
	pthread_create(&thread, NULL, change_heads, NULL);
	for (unsigned i = 0; i < 50; i++) {
		for (uint32_t tail = 8; tail < 4096 && !channel_is_lost(attacker); tail += 8)
			show_tail(attacker->request_tail + tail);
		expect_answer(bystander);
		__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		channel_disconnect(attacker);
		assert_int_equal(channel_connect(channel, &attacker), 0);
		is_over = 0;
		pthread_create(&thread, NULL, change_heads, NULL);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void *change_indexes(void *argument)
{
	uint32_t noise = 1;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		noise = noise * 1664525u + 1013904223u;
		write_shared(
			attacker->slot->client_request.request_tail, noise & 8 ? 0 : noise >> 8);
		write_shared(attacker->slot->client_reply.reply_head, noise & 16 ? 0 : noise >> 4);
		write_shared(attacker->slot->client.sleeps, noise);
	}
	return NULL;
}

static void indexes_change_while_they_are_read(void **state)
{
	pthread_t thread;

	for (unsigned i = 0; i < 50; i++) {
		is_over = 0;
		pthread_create(&thread, NULL, change_indexes, NULL);
		for (unsigned j = 0; j < 20; j++)
			expect_answer(bystander);
		__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		channel_disconnect(attacker);
		assert_int_equal(channel_connect(channel, &attacker), 0);
	}
}

static void slot_is_written_all_over(void **state)
{
	uint32_t *words = (void *)attacker->slot;
	uint64_t noise = 1;

	for (unsigned i = 0; i < 100; i++) {
		for (size_t at = 0; at < sizeof *attacker->slot / sizeof *words; at++) {
			noise = noise * 6364136223846793005u + 1442695040888963407u;
			if (noise >> 62 == 0)
				write_shared(words[at], (uint32_t)(noise >> 16));
		}
		attacker->channel->transport->ring_doorbell(attacker);
		expect_answer(bystander);
	}
	assert_true(becomes_lost(attacker));
}

static void header_is_written_over_and_the_host_does_not_read_it(void **state)
{
	struct sluice_channel_layout *layout = &attacker->header->layout;
	const struct sluice_channel_layout before = *layout;

	memset(layout, 0xff, sizeof *layout);
	expect_answer(bystander);
	expect_answer(attacker);
	*layout = before;
}

/* ---- replies ---- */

/* Wait until the reply ring is full, with more to come. */
static void fill_reply_ring(void)
{
	uint8_t request[5] = {ECHO_LARGE};
	const uint32_t wanted = 1u << 20;
	const struct iovec part = {request, sizeof request};

	memcpy(request + 1, &wanted, sizeof wanted);
	assert_int_equal(channel_send(attacker, &part, 1), 0);
	while (read_shared(attacker->slot->host_reply.reply_tail) < attacker->answers.size)
		usleep(100);
}

static void show_head(uint32_t head)
{
	channel_show(attacker, &attacker->slot->client_reply.reply_head, head,
		SLUICE_CHANNEL_WAKE_FOR_ROOM);
}

static void reply_head_goes_beyond_the_tail(void **state)
{
	fill_reply_ring();
	show_head(attacker->answers.size + 8);
	expect_broken();
}

static void reply_head_goes_back(void **state)
{
	fill_reply_ring();
	show_head((uint32_t)-8);
	expect_broken();
}

static void reply_head_is_not_aligned(void **state)
{
	fill_reply_ring();
	show_head(attacker->answers.size / 2 + 4);
	expect_broken();
}

static void replies_are_never_taken(void **state)
{
	fill_reply_ring();
	for (unsigned i = 0; i < 100; i++)
		expect_answer(bystander);
	assert_false(channel_is_lost(attacker));
}

/* ---- noise ---- */

static void doorbell_is_rung_for_nothing(void **state)
{
	for (unsigned i = 0; i < 20000; i++)
		attacker->channel->transport->ring_doorbell(attacker);
}

static void sleep_is_claimed_while_awake(void **state)
{
	for (unsigned i = 0; i < 1000; i++, expect_answer(attacker))
		write_shared(attacker->slot->client.sleeps, 0xffffffff);
}

static void client_talks_over_its_socket(void **state)
{
	assert_int_equal(write(attacker->socket, "hello", 5), 5);
	assert_true(becomes_lost(attacker));
}

static void call_descriptor_is_full(void **state)
{
	const uint64_t most = UINT64_MAX - 1;
	const struct iovec part = {"echo", 4};

	assert_int_equal(write(attacker->call, &most, sizeof most), sizeof most);
	for (unsigned i = 0; i < 100; i++) {
		write_shared(attacker->slot->client.sleeps, 0xffffffff);
		assert_int_equal(channel_send(attacker, &part, 1), 0);
		expect_answer(bystander);
	}
}

/* ---- claims and epochs ---- */

static void write_claim(uint32_t claim)
{
	write_shared_release(attacker->slot->client.claim, claim);
	__atomic_fetch_add(&attacker->header->client.claims, 1, __ATOMIC_SEQ_CST);
}

static void slot_in_use_is_claimed_again(void **state)
{
	write_claim(attacker->slot_epoch + 1);
	assert_true(becomes_lost(attacker));
}

static void slot_in_use_is_claimed_by_nonsense(void **state)
{
	write_claim(0xdeadbeef);
	assert_true(becomes_lost(attacker));
}

static void free_slot_is_claimed_by_nonsense(void **state)
{
	struct sluice_channel_slot *slot = channel_region_slot(&channel->device, 40);

	write_shared_release(slot->client.claim, 77);
	__atomic_fetch_add(&attacker->header->client.claims, 1, __ATOMIC_SEQ_CST);
	expect_answer(bystander);
	expect_answer(attacker);
	assert_int_equal(read_shared(slot->host.state), SLUICE_CHANNEL_SLOT_FREE);
	assert_int_equal(channel_server_connection_count(host.server), 2);
}

static void claims_are_counted_for_nothing(void **state)
{
	for (unsigned i = 0; i < 100000; i++)
		__atomic_fetch_add(&attacker->header->client.claims, 1, __ATOMIC_SEQ_CST);
	expect_answer(attacker);
}

/* The bystander is the same client's here: its connection is forgotten as well. */
static void epoch_flips_and_all_is_forgotten_and_begun_anew(void **state)
{
	for (uint32_t i = 0; i < 1000; i++) {
		write_shared_release(attacker->header->client.client_epoch, i * 7919);
		if (i % 100 == 0)
			usleep(2000);
	}
	assert_true(becomes_lost(bystander));
	channel_disconnect(bystander);
	channel_disconnect(attacker);
	channel_close(channel);
	channel = echo_host_open_channel(&host);
	assert_int_equal(channel_connect(channel, &bystander), 0);
	assert_int_equal(channel_connect(channel, &attacker), 0);
	echo_host_await(&host, 2);
}

#define UNIX(test)                                        \
	{                                                 \
#test, test, set_up_unix, tear_down, NULL \
	}
#define PCI(test)                                                \
	{                                                        \
		"pci: " #test, test, set_up_pci, tear_down, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIX(request_tail_jumps_past_the_ring),
		PCI(request_tail_jumps_past_the_ring),
		UNIX(request_tail_goes_back),
		UNIX(request_tail_is_not_aligned),
		UNIX(record_is_longer_than_what_was_shown),
		UNIX(record_is_longer_than_the_ring),
		UNIX(record_has_a_length_whose_sum_overflows),
		UNIX(record_has_unknown_flags),
		UNIX(fragment_is_empty),
		UNIX(message_has_more_for_ever),
		PCI(message_has_more_for_ever),
		UNIX(unfinished_messages_fill_no_more_memory_than_there_is_for_all),
		UNIX(storm_of_empty_messages_is_answered),
		UNIX(lengths_change_while_they_are_read),
		UNIX(indexes_change_while_they_are_read),
		UNIX(slot_is_written_all_over),
		PCI(slot_is_written_all_over),
		UNIX(header_is_written_over_and_the_host_does_not_read_it),
		UNIX(reply_head_goes_beyond_the_tail),
		PCI(reply_head_goes_beyond_the_tail),
		UNIX(reply_head_goes_back),
		UNIX(reply_head_is_not_aligned),
		UNIX(replies_are_never_taken),
		PCI(replies_are_never_taken),
		UNIX(doorbell_is_rung_for_nothing),
		UNIX(sleep_is_claimed_while_awake),
		UNIX(client_talks_over_its_socket),
		UNIX(call_descriptor_is_full),
		PCI(slot_in_use_is_claimed_again),
		PCI(slot_in_use_is_claimed_by_nonsense),
		PCI(free_slot_is_claimed_by_nonsense),
		PCI(claims_are_counted_for_nothing),
		PCI(epoch_flips_and_all_is_forgotten_and_begun_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
