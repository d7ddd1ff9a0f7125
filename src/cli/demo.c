/* `sluice demo net`: the demonstration is a script of its own; here it is found and started. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

#define BUILT_AS "/src/cli/sluice" /* below a build directory, which is in the source tree */

struct place {
	char data[PATH_MAX];	/* what holds demo/ */
	char sluice[PATH_MAX];	/* this program */
	char sluiced[PATH_MAX]; /* the daemon that belongs to it */
};

/* A path made of two; false if it is too long. */
static bool join(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s%s", directory, name) < PATH_MAX;
}

/* Of a program that is run from where it was built; false if this one is not. */
static bool find_built(struct place *place)
{
	size_t length = strlen(place->sluice), tail = strlen(BUILT_AS);
	char build[PATH_MAX];

	if (length <= tail || strcmp(place->sluice + length - tail, BUILT_AS) != 0)
		return false;
	snprintf(build, sizeof build, "%.*s", (int)(length - tail), place->sluice);
	return join(place->data, build, "/..") &&
	       join(place->sluiced, build, "/src/control/sluiced");
}

static bool find(struct place *place)
{
	const char *data = getenv("SLUICE_DATA");
	ssize_t length = readlink("/proc/self/exe", place->sluice, sizeof place->sluice - 1);

	place->sluice[length < 0 ? 0 : length] = '\0';
	if (!find_built(place) && !(join(place->data, SLUICE_DATA_DIRECTORY, "") &&
					  join(place->sluiced, SLUICE_SBIN_DIRECTORY, "/sluiced")))
		return false;
	return !data || join(place->data, data, "");
}

/* The rest of the command line is the script's. */
int command_demo_net(const struct cli *cli, int argc, char **argv)
{
	char script[PATH_MAX];
	struct place place;

	if (!find(&place) || !join(script, place.data, "/demo/net")) {
		fputs("sluice: the path of the demonstration is too long\n", stderr);
		return EXIT_FAILURE;
	}
	setenv("SLUICE", place.sluice, false);
	setenv("SLUICED", place.sluiced, false);
	argv[0] = script;
	execv(script, argv);
	fprintf(stderr,
		"sluice: cannot run %s: %s; SLUICE_DATA says where Sluice's data is installed\n",
		script, strerror(errno));
	return EXIT_FAILURE;
}
