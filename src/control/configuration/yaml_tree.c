#include "control/configuration/yaml_tree.h"

#include <stdlib.h>
#include <string.h>

yaml_node_t *yaml_tree_node(const struct yaml_tree *tree, int id)
{
	/* libyaml's accessors do not change the document, they only fail to say so. */
	return yaml_document_get_node((yaml_document_t *)&tree->document, id);
}

yaml_node_t *yaml_tree_root(const struct yaml_tree *tree)
{
	return yaml_document_get_root_node((yaml_document_t *)&tree->document);
}

/* What usually is behind libyaml's terse reasons. */
static const struct {
	const char *reason;
	const char *mend;
} mends[] = {
	{"found character that cannot start any token",
		"quote the text, and indent with spaces, not tabs"},
	{"mapping values are not allowed in this context",
		"check the indentation, and quote texts that contain ': '"},
	{"did not find expected key", "check the indentation and the quotes"},
	{"did not find expected '-' indicator", "check the indentation of the list"},
	{"did not find expected ',' or '}'", "close the { ... }"},
	{"did not find expected ',' or ']'", "close the [ ... ]"},
	{"did not find expected node content", "write a value"},
	{"found unexpected end of stream", "close the quotes"},
	{"could not find expected ':'", "write 'key: value', with a space after the colon"},
	{"found undefined alias", "define it with &name before using it as *name"},
};

static const char *mend_of(const char *reason)
{
	for (size_t i = 0; i < sizeof mends / sizeof *mends; i++)
		if (strcmp(mends[i].reason, reason) == 0)
			return mends[i].mend;
	return "see sluice.yaml(5) for an example";
}

static void report_syntax(const yaml_parser_t *parser, struct problems *problems)
{
	const char *reason = parser->problem ? parser->problem : "cannot be read";
	unsigned line = (unsigned)parser->problem_mark.line + 1;
	unsigned column = (unsigned)parser->problem_mark.column + 1;

	if (parser->error == YAML_MEMORY_ERROR)
		problems_add_at(problems, 0, 0, "out of memory");
	else if (parser->error == YAML_READER_ERROR)
		problems_add_at(problems, 0, 0, "not UTF-8 text: %s at byte %zu", reason,
			parser->problem_offset);
	else if (parser->context)
		problems_add_at(problems, line, column, "not YAML: %s, %s from line %zu on; %s",
			reason, parser->context, parser->context_mark.line + 1, mend_of(reason));
	else
		problems_add_at(
			problems, line, column, "not YAML: %s; %s", reason, mend_of(reason));
}

/* A second document would be ignored silently; say so instead. */
static bool is_last_document(yaml_parser_t *parser, struct problems *problems)
{
	yaml_document_t next;
	yaml_node_t *root;

	if (!yaml_parser_load(parser, &next)) {
		report_syntax(parser, problems);
		return false;
	}
	root = yaml_document_get_root_node(&next);
	if (root)
		problems_add_at(problems, (unsigned)root->start_mark.line + 1,
			(unsigned)root->start_mark.column + 1,
			"a second document begins here; remove the '---' before it");
	yaml_document_delete(&next);
	return !root;
}

bool yaml_tree_parse(
	struct yaml_tree *tree, const char *text, size_t length, struct problems *problems)
{
	yaml_parser_t parser;
	bool is_good = false;

	memset(tree, 0, sizeof *tree);
	if (!yaml_parser_initialize(&parser)) {
		problems_add_at(problems, 0, 0, "out of memory");
		return false;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, &tree->document)) {
		report_syntax(&parser, problems);
		goto out;
	}
	tree->is_loaded = true;
	is_good = !yaml_tree_root(tree) || is_last_document(&parser, problems);
	if (!is_good)
		yaml_tree_free(tree);
out:
	yaml_parser_delete(&parser);
	return is_good;
}

void yaml_tree_free(struct yaml_tree *tree)
{
	if (tree->is_loaded)
		yaml_document_delete(&tree->document);
	tree->is_loaded = false;
}

yaml_node_t *yaml_tree_value(
	const struct yaml_tree *tree, const yaml_node_t *mapping, const char *key, size_t length)
{
	const yaml_node_pair_t *pair;

	if (mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
		pair++) {
		const yaml_node_t *name = yaml_tree_node(tree, pair->key);

		if (name && name->type == YAML_SCALAR_NODE && name->data.scalar.length == length &&
			memcmp(name->data.scalar.value, key, length) == 0)
			return yaml_tree_node(tree, pair->value);
	}
	return NULL;
}

static yaml_node_t *item(const struct yaml_tree *tree, const yaml_node_t *list, size_t index)
{
	const yaml_node_item_t *items;

	if (list->type != YAML_SEQUENCE_NODE)
		return NULL;
	items = list->data.sequence.items.start;
	if (index >= (size_t)(list->data.sequence.items.top - items))
		return NULL;
	return yaml_tree_node(tree, items[index]);
}

/* Follow the first step of *path and move behind it. */
static yaml_node_t *step(const struct yaml_tree *tree, const yaml_node_t *node, const char **path)
{
	size_t length;
	char *end;

	if (**path == '[') {
		size_t index = strtoul(*path + 1, &end, 10);

		*path = end + (*end == ']');
		return item(tree, node, index);
	}
	*path += **path == '.';
	length = strcspn(*path, ".[");
	*path += length;
	return length ? yaml_tree_value(tree, node, *path - length, length) : NULL;
}

void yaml_tree_locate(
	const struct yaml_tree *tree, const char *path, unsigned *line, unsigned *column)
{
	yaml_node_t *node = tree->is_loaded ? yaml_tree_root(tree) : NULL;

	*line = *column = 1;
	while (node) {
		*line = (unsigned)node->start_mark.line + 1;
		*column = (unsigned)node->start_mark.column + 1;
		node = *path ? step(tree, node, &path) : NULL;
	}
}
