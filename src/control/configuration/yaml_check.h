/*
 * Hold a YAML tree against a libcyaml schema and report everything that does not fit.
 *
 * Theory of operation. libcyaml stops at the first thing it dislikes and does not say where that is;
 * it also takes any word for `true`. So the tree is first checked here against the very schema that
 * libcyaml loads with, which finds all unknown, doubled and missing keys, wrong types, and numbers
 * out of range, each with its line. What passes here, libcyaml loads.
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_YAML_CHECK_H
#define SLUICE_CONTROL_CONFIGURATION_YAML_CHECK_H

#include <cyaml/cyaml.h>

#include "control/configuration/problems.h"
#include "control/configuration/yaml_tree.h"

/* Check the whole tree; what is wrong is added to `problems`. */
void yaml_check(const struct yaml_tree *tree, const cyaml_schema_value_t *schema,
	struct problems *problems);

#endif
