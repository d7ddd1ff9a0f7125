/* On its own, since cmocka catches SIGBUS itself before each test, and the guard is installed once. */
#include "ring_pair.h"

static struct ring_pair pair;
static struct descriptor_chain chains[1];

static void truncated_memory_is_lost_and_nobody_dies(void **state)
{
	pair_open(&pair, 16, false, false, false);
	pair_attach(&pair);
	assert_false(guest_memory_is_lost(&pair.guest));
	assert_int_equal(ftruncate(pair.fd, 0), 0);
	virtqueue_pop(&pair.device, &chains[0]);
	assert_true(guest_memory_is_lost(&pair.guest));
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truncated_memory_is_lost_and_nobody_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
