#include "../cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/boot/cpuid.h"

#define ANY 0xffffffffu /* every feature, as far as a test goes */

static struct kvm_cpuid2 *cpuid;

/* Leaves that some CPU has, with all bits set where only some are looked at. */
static int set_up(void **state)
{
	static const struct kvm_cpuid_entry2 some[] = {
		{.function = 0, .eax = 0x1f},
		{.function = 1, .eax = ANY, .ebx = ANY, .ecx = ANY & ~(1u << 24), .edx = ANY},
		{.function = 4, .index = 0, .flags = 1, .eax = 0xffffff21}, /* level 1, data */
		{.function = 4, .index = 3, .flags = 1, .eax = 0xffffff63}, /* level 3 */
		{.function = 4, .index = 4, .flags = 1},
		{.function = 7, .ebx = ANY, .ecx = ANY},
		{.function = 0xb, .index = 0, .flags = 1, .edx = 77},
		{.function = 0x12, .eax = ANY},
		{.function = 0x1f, .index = 0, .flags = 1, .edx = 77},
		{.function = 0x40000000, .eax = 0x40000001},
		{.function = 0x40000001, .eax = ANY},
		{.function = 0x80000001, .ecx = ANY},
		{.function = 0x80000008, .ecx = ANY},
		{.function = 0x8000000a, .eax = ANY},
		{.function = 0x8000001e, .eax = ANY, .ebx = ANY, .ecx = ANY},
	};

	cpuid = cpuid_create();
	if (!cpuid)
		return -1;
	memcpy(cpuid->entries, some, sizeof some);
	cpuid->nent = sizeof some / sizeof *some;
	return 0;
}

static int tear_down(void **state)
{
	free(cpuid);
	return 0;
}

static void fit(unsigned index, unsigned vcpu_count)
{
	const struct cpu_state_config config = {.index = index, .vcpu_count = vcpu_count};

	cpuid_fit(cpuid, &config);
}

static struct kvm_cpuid_entry2 *leaf(uint32_t number, uint32_t subleaf)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, number, subleaf);

	assert_non_null(entry);
	return entry;
}

static void a_guest_knows_that_it_is_one(void **state)
{
	fit(0, 1);
	assert_true(leaf(1, 0)->ecx & 1u << 31);
}

static void the_deadline_timer_is_offered(void **state)
{
	fit(0, 1);
	assert_true(leaf(1, 0)->ecx & 1u << 24);
}

static void what_the_machine_cannot_do_is_hidden(void **state)
{
	fit(0, 1);
	assert_false(leaf(1, 0)->ecx & (1u << 3 | 1u << 5)); /* MONITOR, VMX */
	assert_false(leaf(7, 0)->ebx & 1u << 2);	     /* SGX */
	assert_false(leaf(0x80000001, 0)->ecx & 1u << 2);    /* SVM */
	assert_null(cpuid_find(cpuid, 0x12, 0));
	assert_null(cpuid_find(cpuid, 0x8000000a, 0));
}

static void other_features_stay(void **state)
{
	fit(0, 1);
	assert_int_equal(leaf(1, 0)->eax, ANY);
	assert_int_equal(leaf(7, 0)->ebx, ANY & ~(1u << 2));
	assert_int_equal(leaf(0x40000001, 0)->eax, ANY);
}

static void a_vcpu_has_its_own_apic_id_everywhere(void **state)
{
	fit(2, 3);
	assert_int_equal(leaf(1, 0)->ebx >> 24, 2);
	assert_int_equal(leaf(0xb, 0)->edx, 2);
	assert_int_equal(leaf(0xb, 1)->edx, 2);
	assert_int_equal(leaf(0x8000001e, 0)->eax, 2);
}

static void vcpus_are_cores_of_one_package(void **state)
{
	fit(0, 3);
	assert_true(leaf(1, 0)->edx & 1u << 28);
	assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, 4);
	assert_int_equal(leaf(0xb, 0)->ebx, 1);
	assert_int_equal(leaf(0xb, 0)->ecx, 0x100);
	assert_int_equal(leaf(0xb, 1)->eax, 2);
	assert_int_equal(leaf(0xb, 1)->ebx, 3);
	assert_int_equal(leaf(0xb, 1)->ecx, 0x201);
	assert_int_equal(leaf(0x80000008, 0)->ecx & 0xf0ff, 0x2002);
	assert_null(cpuid_find(cpuid, 0x1f, 0));
}

static void one_vcpu_has_no_siblings(void **state)
{
	fit(0, 1);
	assert_false(leaf(1, 0)->edx & 1u << 28);
	assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, 1);
	assert_int_equal(leaf(0xb, 1)->eax, 0);
	assert_int_equal(leaf(0xb, 1)->ebx, 1);
}

static void only_the_last_cache_is_shared(void **state)
{
	fit(0, 3);
	assert_int_equal(leaf(4, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(leaf(4, 3)->eax >> 14 & 0xfff, 3);
	assert_int_equal(leaf(4, 3)->eax >> 26, 3);
	assert_int_equal(leaf(4, 4)->eax, 0);
}

static void dedicated_cores_are_announced(void **state)
{
	const struct cpu_state_config config = {.vcpu_count = 1, .is_core_dedicated = true};

	cpuid_fit(cpuid, &config);
	assert_int_equal(leaf(0x40000001, 0)->edx, 1);
}

static void exit_rings_have_leaves_of_their_own(void **state)
{
	const struct cpu_state_config config = {
		.vcpu_count = 1, .has_exit_rings = true, .exit_ring_leaf = {1, 2, 3, 4}};

	cpuid_fit(cpuid, &config);
	assert_int_equal(leaf(0x40000000, 0)->eax, 0x40000101);
	assert_int_equal(leaf(0x40000100, 0)->eax, 0x40000101);
	assert_memory_equal(&leaf(0x40000100, 0)->ebx, "SluiceSluice", 12);
	assert_int_equal(leaf(0x40000101, 0)->eax, 1);
	assert_int_equal(leaf(0x40000101, 0)->edx, 4);
}

static void without_exit_rings_nothing_is_said_of_them(void **state)
{
	fit(0, 1);
	assert_null(cpuid_find(cpuid, 0x40000100, 0));
	assert_int_equal(leaf(0x40000000, 0)->eax, 0x40000001);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_guest_knows_that_it_is_one),
		CASE(the_deadline_timer_is_offered),
		CASE(what_the_machine_cannot_do_is_hidden),
		CASE(other_features_stay),
		CASE(a_vcpu_has_its_own_apic_id_everywhere),
		CASE(vcpus_are_cores_of_one_package),
		CASE(one_vcpu_has_no_siblings),
		CASE(only_the_last_cache_is_shared),
		CASE(dedicated_cores_are_announced),
		CASE(exit_rings_have_leaves_of_their_own),
		CASE(without_exit_rings_nothing_is_said_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
