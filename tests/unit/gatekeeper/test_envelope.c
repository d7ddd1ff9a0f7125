/* Sealed datagrams: what goes in comes out, and nothing else does. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "gatekeeper/datagram/envelope.h"

#define TEXT "the quick brown fox"

static const uint8_t key[ENVELOPE_KEY_BYTES] = {1, 2, 3};
static const struct envelope sent = {
	.host_id = 0x0102030405060708, .epoch_ns = 11, .sequence = 12, .sent_ns = 13};
static uint8_t datagram[ENVELOPE_BYTES_MAX];
static size_t datagram_bytes;
static uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX];
static struct envelope received;

static int seal(void **state)
{
	datagram_bytes = envelope_seal(key, &sent, TEXT, sizeof TEXT, datagram);
	received = (struct envelope){0};
	return envelope_init();
}

static int open_it(void)
{
	return envelope_open(key, datagram, datagram_bytes, &received, payload);
}

static void what_goes_in_comes_out(void **state)
{
	assert_int_equal(datagram_bytes, sizeof TEXT + ENVELOPE_OVERHEAD_BYTES);
	assert_int_equal(open_it(), sizeof TEXT);
	assert_string_equal((const char *)payload, TEXT);
	assert_memory_equal(&received, &sent, sizeof sent);
}

static void the_payload_cannot_be_read_on_the_way(void **state)
{
	assert_null(memmem(datagram, datagram_bytes, TEXT, 5));
}

static void the_largest_payload_fits(void **state)
{
	memset(payload, 7, sizeof payload);
	datagram_bytes = envelope_seal(key, &sent, payload, sizeof payload, datagram);
	assert_int_equal(datagram_bytes, ENVELOPE_BYTES_MAX);
	assert_int_equal(open_it(), sizeof payload);
}

static void no_bit_can_be_changed(void **state)
{
	for (size_t bit = 0; bit < datagram_bytes * 8; bit++) {
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(open_it() < 0);
		datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(received.sequence, 0);
}

static void nothing_can_be_cut_off_or_added(void **state)
{
	size_t whole_bytes = datagram_bytes;

	for (datagram_bytes = 0; datagram_bytes < whole_bytes; datagram_bytes++)
		assert_true(open_it() < 0);
	datagram_bytes = whole_bytes + 1;
	assert_int_equal(open_it(), -EBADMSG);
}

static void another_key_opens_nothing(void **state)
{
	const uint8_t other[ENVELOPE_KEY_BYTES] = {1, 2, 4};

	assert_int_equal(
		envelope_open(other, datagram, datagram_bytes, &received, payload), -EBADMSG);
}

static void the_same_payload_looks_different_each_time(void **state)
{
	uint8_t again[ENVELOPE_BYTES_MAX];

	envelope_seal(key, &sent, TEXT, sizeof TEXT, again);
	assert_memory_not_equal(again + 64, datagram + 64, sizeof TEXT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_goes_in_comes_out, seal),
		cmocka_unit_test_setup(the_payload_cannot_be_read_on_the_way, seal),
		cmocka_unit_test_setup(the_largest_payload_fits, seal),
		cmocka_unit_test_setup(no_bit_can_be_changed, seal),
		cmocka_unit_test_setup(nothing_can_be_cut_off_or_added, seal),
		cmocka_unit_test_setup(another_key_opens_nothing, seal),
		cmocka_unit_test_setup(the_same_payload_looks_different_each_time, seal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
