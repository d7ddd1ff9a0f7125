#include "../cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kvm_statistics.h"

#define NAME_BYTES 16u
#define COUNT 3u

/* A file as KVM's: two numbers, and a histogram of four. */
struct fake_file {
	struct kvm_stats_header header;
	struct fake_descriptor {
		uint32_t flags;
		int16_t exponent;
		uint16_t size;
		uint32_t offset, bucket_size;
		char name[NAME_BYTES];
	} descriptors[COUNT];
	uint64_t data[6];
};

static struct fake_file content;
static struct error error;

static int set_up(void **state)
{
	content = (struct fake_file){
		.header = {.name_size = NAME_BYTES,
			.num_desc = COUNT,
			.desc_offset = offsetof(struct fake_file, descriptors),
			.data_offset = offsetof(struct fake_file, data)},
		.descriptors = {{.size = 1, .offset = 0, .name = "exits"},
			{.size = 4, .offset = 8, .flags = KVM_STATS_TYPE_LOG_HIST, .name = "waits"},
			{.size = 1,
				.offset = 40,
				.flags = KVM_STATS_TYPE_INSTANT,
				.name = "blocking"}},
		.data = {7, 1, 2, 3, 4, 9},
	};
	return 0;
}

static int open_content(struct kvm_statistics **statistics, int *file)
{
	*file = memfd_create("statistics", MFD_CLOEXEC);
	assert_int_equal(write(*file, &content, sizeof content), sizeof content);
	return kvm_statistics_open_file(*file, statistics, &error);
}

static void print(void *argument, const char *name, uint64_t value)
{
	char *text = argument;

	snprintf(text + strlen(text), 256 - strlen(text), "%s=%u ", name, (unsigned)value);
}

static void numbers_are_read_anew_each_time(void **state)
{
	struct kvm_statistics *statistics;
	char text[256] = "";
	uint64_t value = 8;
	int file;

	assert_int_equal(open_content(&statistics, &file), 0);
	assert_int_equal(kvm_statistics_each(statistics, print, text), 0);
	assert_string_equal(text, "exits=7 blocking=9 ");
	assert_int_equal(
		pwrite(file, &value, sizeof value, offsetof(struct fake_file, data)), sizeof value);
	text[0] = 0;
	assert_int_equal(kvm_statistics_each(statistics, print, text), 0);
	assert_string_equal(text, "exits=8 blocking=9 ");
	kvm_statistics_close(statistics);
}

static void assert_refused(void)
{
	struct kvm_statistics *statistics;
	int file;

	assert_int_equal(open_content(&statistics, &file), -EPROTO);
	close(file);
}

static void header_out_of_bounds_is_refused(void **state)
{
	content.header.name_size = 0;
	assert_refused();
	content.header.name_size = UINT32_MAX;
	assert_refused();
	content.header.name_size = NAME_BYTES;
	content.header.num_desc = UINT32_MAX;
	assert_refused();
	content.header.num_desc = COUNT;
	content.header.desc_offset = UINT32_MAX;
	assert_refused();
}

static void name_without_an_end_is_refused(void **state)
{
	memset(content.descriptors[1].name, 'x', NAME_BYTES);
	assert_refused();
}

static void number_beyond_the_end_is_an_error(void **state)
{
	struct kvm_statistics *statistics;
	char text[256] = "";
	int file;

	content.descriptors[0].offset = UINT32_MAX;
	assert_int_equal(open_content(&statistics, &file), 0);
	assert_int_equal(kvm_statistics_each(statistics, print, text), -EPROTO);
	kvm_statistics_close(statistics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(numbers_are_read_anew_each_time, set_up),
		cmocka_unit_test_setup(header_out_of_bounds_is_refused, set_up),
		cmocka_unit_test_setup(name_without_an_end_is_refused, set_up),
		cmocka_unit_test_setup(number_beyond_the_end_is_an_error, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
