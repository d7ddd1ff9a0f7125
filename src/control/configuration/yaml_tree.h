/*
 * A YAML text as a tree of nodes that know their lines.
 *
 * libcyaml fills structures but forgets lines; this tree, from libyaml's document interface, is kept
 * beside it for the sole purpose of saying where a problem is.
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_YAML_TREE_H
#define SLUICE_CONTROL_CONFIGURATION_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "control/configuration/problems.h"

struct yaml_tree {
	yaml_document_t document;
	bool is_loaded;
};

/*
 * Parse a text of exactly one document. On failure the syntax error, with its place, is in
 * `problems` and there is nothing to free.
 */
bool yaml_tree_parse(
	struct yaml_tree *tree, const char *text, size_t length, struct problems *problems);
void yaml_tree_free(struct yaml_tree *tree);

/* The node at the root; NULL for an empty text. */
yaml_node_t *yaml_tree_root(const struct yaml_tree *tree);

/* Node number `id` of an item or pair. */
yaml_node_t *yaml_tree_node(const struct yaml_tree *tree, int id);

/* The value of `key` (of `length` bytes) in a mapping, NULL if there is none. */
yaml_node_t *yaml_tree_value(
	const struct yaml_tree *tree, const yaml_node_t *mapping, const char *key, size_t length);

/*
 * Line and column (from 1) of the node at a path such as "disks[1].slo.tiers[0].within", or of its
 * nearest ancestor that exists; 1:1 if there is no root.
 */
void yaml_tree_locate(
	const struct yaml_tree *tree, const char *path, unsigned *line, unsigned *column);

#endif
