/* Rates on the wire. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "gatekeeper/datagram/rate_message.h"

static struct rate_entry sent[RATE_MESSAGE_ENTRIES_MAX], received[RATE_MESSAGE_ENTRIES_MAX];
static uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX + 1];
static size_t payload_bytes;

static int encode_two(void **state)
{
	for (unsigned i = 0; i < RATE_MESSAGE_ENTRIES_MAX; i++) {
		memset(&sent[i].source, (int)i, sizeof sent[i].source);
		memset(&sent[i].destination, (int)(200 - i), sizeof sent[i].destination);
		sent[i].bytes_per_s = 1 + (uint64_t)i * 1000000007;
	}
	payload_bytes = rate_message_encode(sent, 2, payload);
	return 0;
}

static int decode(void)
{
	return rate_message_decode(payload, payload_bytes, received);
}

static void what_goes_in_comes_out(void **state)
{
	assert_int_equal(decode(), 2);
	assert_memory_equal(received, sent, 2 * sizeof *sent);
}

static void a_full_message_fits_a_datagram(void **state)
{
	payload_bytes = rate_message_encode(sent, RATE_MESSAGE_ENTRIES_MAX, payload);
	assert_true(payload_bytes <= ENVELOPE_PAYLOAD_BYTES_MAX);
	assert_int_equal(decode(), RATE_MESSAGE_ENTRIES_MAX);
	assert_memory_equal(received, sent, sizeof sent);
}

static void any_other_size_is_refused(void **state)
{
	size_t right_bytes = payload_bytes;

	for (payload_bytes = 0; payload_bytes <= ENVELOPE_PAYLOAD_BYTES_MAX; payload_bytes++)
		if (payload_bytes != right_bytes)
			assert_int_equal(decode(), -EPROTO);
}

static void another_kind_is_refused(void **state)
{
	payload[0] = 2;
	assert_int_equal(decode(), -EPROTO);
	payload[0] = 1;
	payload[1] = 1;
	assert_int_equal(decode(), -EPROTO);
}

static void counts_that_do_not_fit_are_refused(void **state)
{
	for (unsigned count = 0; count < 65536; count += 1) {
		payload[2] = (uint8_t)(count >> 8);
		payload[3] = (uint8_t)count;
		assert_int_equal(decode(), count == 2 ? 2 : -EPROTO);
	}
}

static void nobody_is_shut_out(void **state)
{
	sent[1].bytes_per_s = 0;
	payload_bytes = rate_message_encode(sent, 2, payload);
	assert_int_equal(decode(), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_goes_in_comes_out, encode_two),
		cmocka_unit_test_setup(a_full_message_fits_a_datagram, encode_two),
		cmocka_unit_test_setup(any_other_size_is_refused, encode_two),
		cmocka_unit_test_setup(another_kind_is_refused, encode_two),
		cmocka_unit_test_setup(counts_that_do_not_fit_are_refused, encode_two),
		cmocka_unit_test_setup(nobody_is_shut_out, encode_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
