/* `sluice demo net`: the demonstration is a script of its own; here it is found and started. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/program_path.h"

struct place {
	char data[PATH_MAX];	/* what holds demo/ */
	char sluice[PATH_MAX];	/* this program */
	char sluiced[PATH_MAX]; /* the daemon that belongs to it */
};

static bool find_built(struct place *place)
{
	char build[PATH_MAX];

	return program_path_build(build) && program_path_join(place->data, build, "/..") &&
	       program_path_join(place->sluiced, build, "/src/control/sluiced");
}

static bool find(struct place *place)
{
	const char *data = getenv("SLUICE_DATA");

	program_path_own(place->sluice);
	if (!find_built(place) &&
		!(program_path_join(place->data, SLUICE_DATA_DIRECTORY, "") &&
			program_path_join(place->sluiced, SLUICE_SBIN_DIRECTORY, "/sluiced")))
		return false;
	return !data || program_path_join(place->data, data, "");
}

/* The rest of the command line is the script's. */
int command_demo_net(const struct cli *cli, int argc, char **argv)
{
	char script[PATH_MAX];
	struct place place;

	if (!find(&place) || !program_path_join(script, place.data, "/demo/net")) {
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
