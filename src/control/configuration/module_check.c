#include "control/configuration/module_check.h"

#include <stdlib.h>

#include "control/configuration/claims.h"
#include "control/configuration/module_values.h"
#include "control/socket/run_directory.h"

/* What each module has for itself. */
struct survey {
	struct claims names, sockets, directories, regions, doorbells;
};

static bool survey_init(struct survey *survey, unsigned modules)
{
	*survey = (struct survey){.names.count = 0};
	return claims_init(&survey->names, modules) == 0 &&
	       claims_init(&survey->sockets, modules) == 0 &&
	       claims_init(&survey->directories, modules) == 0 &&
	       claims_init(&survey->regions, modules) == 0 &&
	       claims_init(&survey->doorbells, modules) == 0;
}

static void survey_free(struct survey *survey)
{
	claims_free(&survey->names);
	claims_free(&survey->sockets);
	claims_free(&survey->directories);
	claims_free(&survey->regions);
	claims_free(&survey->doorbells);
}

static void check_one(const struct configuration *configuration, unsigned index,
	struct module_description *description, struct survey *survey, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	path_index(path, "modules", index);
	values_of_module(
		&configuration->modules[index], path, run_directory(), description, problems);
	claims_add(&survey->names, index, "%s", configuration->modules[index].name);
	claims_add(&survey->sockets, index, "%s", description->socket);
	claims_add(&survey->directories, index, "%s", description->directory);
	if (!*description->region)
		return;
	claims_add(&survey->regions, index, "%s", description->region);
	claims_add(&survey->doorbells, index, "%s", description->doorbell);
}

static void report(struct survey *survey, struct problems *problems)
{
	claims_report(&survey->names, "modules", "name", "choose another name", problems);
	/* Two modules of one name have one socket, too; say it once. */
	if (problems->count)
		return;
	claims_report(&survey->sockets, "modules", "socket", "choose another path", problems);
	claims_report(
		&survey->directories, "modules", "directory", "give each module its own", problems);
	claims_report(&survey->regions, "modules", "region", "give each module its own", problems);
	claims_report(&survey->doorbells, "modules", "doorbell", "choose another path", problems);
}

void module_check(const struct configuration *configuration, struct problems *problems)
{
	struct module_description *description = malloc(sizeof *description);
	struct survey survey;

	if (survey_init(&survey, configuration->modules_count) && description) {
		for (unsigned i = 0; i < configuration->modules_count; i++)
			check_one(configuration, i, description, &survey, problems);
		report(&survey, problems);
	}
	survey_free(&survey);
	free(description);
}
