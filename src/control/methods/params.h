/* What methods of the control protocol ask of their parameters. */
#ifndef SLUICE_CONTROL_METHODS_PARAMS_H
#define SLUICE_CONTROL_METHODS_PARAMS_H

#include <jansson.h>

#include "base/error.h"
#include "control/configuration/problems.h"

/* The thing that the call is about; NULL if it is not named, with that in `error`. */
const char *params_name(const json_t *params, struct error *error);

/* One of configuration.h's loaders of parts; `part` points at what it sets. */
typedef void params_loader(const char *text, size_t length, void *part, struct problems *problems);

/*
 * Have the configuration's own loader read a value, with its checks and messages: JSON is YAML.
 * Returns 0, or a negative errno with what is wrong in `error`.
 */
int params_load(const json_t *value, params_loader *load, void *part, struct error *error);

#endif
