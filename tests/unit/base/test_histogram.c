#include "../cmocka_all.h"

#include "base/histogram.h"

static struct histogram histogram;

static int reset(void **state)
{
	histogram = (struct histogram){0};
	return 0;
}

static void empty_histogram_reads_as_zero(void **state)
{
	assert_int_equal(histogram_quantile(&histogram, 0.99), 0);
	assert_int_equal(histogram_mean(&histogram), 0);
}

static void quantile_is_at_most_a_thirty_second_too_high(void **state)
{
	uint64_t value;

	for (value = 1; value <= 1000000; value++)
		histogram_record(&histogram, value);
	for (unsigned percent = 1; percent < 100; percent++) {
		double fraction = percent / 100.0;
		double got = (double)histogram_quantile(&histogram, fraction);

		assert_true(got >= fraction * 1e6 - 1);
		assert_true(got <= fraction * 1e6 * (1 + 1.0 / 32) + 1);
	}
	assert_int_equal(histogram_mean(&histogram), 500000);
}

static void quantile_never_exceeds_the_maximum(void **state)
{
	histogram_record(&histogram, 1000003);
	assert_int_equal(histogram_quantile(&histogram, 1.0), 1000003);
	histogram_record(&histogram, UINT64_MAX);
	assert_true(histogram_quantile(&histogram, 1.0) > 1000003);
}

static void bucket_limits_rise_and_hold_their_values(void **state)
{
	unsigned index;

	for (index = 1; index < HISTOGRAM_BUCKETS; index++)
		assert_true(histogram_bucket_limit(index) > histogram_bucket_limit(index - 1));
	histogram_record(&histogram, histogram_bucket_limit(100));
	histogram_record(&histogram, histogram_bucket_limit(100) + 1);
	assert_int_equal(histogram.buckets[100], 1);
	assert_int_equal(histogram.buckets[101], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(empty_histogram_reads_as_zero, reset),
		cmocka_unit_test_setup(quantile_is_at_most_a_thirty_second_too_high, reset),
		cmocka_unit_test_setup(quantile_never_exceeds_the_maximum, reset),
		cmocka_unit_test_setup(bucket_limits_rise_and_hold_their_values, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
