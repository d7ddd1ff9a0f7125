/* A file of statistics that KVM would not give: any bytes. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/kvm_statistics.h"

static void look(void *argument, const char *name, uint64_t value)
{
	*(size_t *)argument += strlen(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("statistics", MFD_CLOEXEC);
	struct kvm_statistics *statistics;
	size_t length = 0;

	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	if (kvm_statistics_open_file(file, &statistics, NULL) < 0) {
		close(file);
		return 0;
	}
	kvm_statistics_each(statistics, look, &length);
	kvm_statistics_close(statistics);
	return 0;
}
