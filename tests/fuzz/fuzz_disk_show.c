/* What `sluice disk show` makes of an answer, from whatever version of the daemon it comes. */
#include <stdint.h>
#include <stdlib.h>

#include "cli/disk_show.h"
#include "cli/slo_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *disk = json_loadb((const char *)data, size, 0, NULL);
	char verdict[VERDICT_BYTES], *text = NULL;
	size_t length;
	FILE *to;

	if (!disk)
		return 0;
	to = open_memstream(&text, &length);
	(void)disk_state(disk);
	slo_verdict(verdict, disk);
	disk_show(disk, to);
	fclose(to);
	free(text);
	json_decref(disk);
	return 0;
}
