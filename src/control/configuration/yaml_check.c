#include "control/configuration/yaml_check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

#define KEYS_MAX 32

struct check {
	const struct yaml_tree *tree;
	struct problems *problems;
};

static void check_value(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path);

static const char *scalar_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static const char *node_kind(const yaml_node_t *node)
{
	static const char *const names[] = {
		[YAML_NO_NODE] = "nothing",
		[YAML_SCALAR_NODE] = "a single value",
		[YAML_SEQUENCE_NODE] = "a list",
		[YAML_MAPPING_NODE] = "a mapping",
	};

	return names[node->type];
}

static size_t field_names(const cyaml_schema_field_t *fields, const char *names[KEYS_MAX])
{
	size_t count = 0;

	for (; fields[count].key && count < KEYS_MAX; count++)
		names[count] = fields[count].key;
	return count;
}

static void join(char *to, size_t size, const char *const *words, size_t count)
{
	size_t used = 0;

	*to = '\0';
	for (size_t i = 0; i < count && used < size; i++)
		used += (size_t)snprintf(to + used, size - used, "%s%s", i ? ", " : "", words[i]);
}

static void report_unknown_key(const struct check *check, const cyaml_schema_field_t *fields,
	const char *path, const char *key)
{
	const char *names[KEYS_MAX], *nearest;
	size_t count = field_names(fields, names);
	char all[PROBLEM_TEXT_BYTES / 2];

	nearest = suggest_nearest(key, names, count);
	if (nearest) {
		problems_add(check->problems, path, "unknown key; did you mean '%s'?", nearest);
		return;
	}
	join(all, sizeof all, names, count);
	problems_add(check->problems, path, "unknown key; the keys here are %s", all);
}

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

/* A key is checked once: a doubled one would be reported by each of its occurrences. */
static bool is_first(const struct check *check, const yaml_node_t *mapping,
	const yaml_node_pair_t *pair, const yaml_node_t *key)
{
	const yaml_node_pair_t *other = mapping->data.mapping.pairs.start;

	for (; other < pair; other++) {
		const yaml_node_t *name = yaml_tree_node(check->tree, other->key);

		if (name->type == YAML_SCALAR_NODE &&
			strcmp(scalar_text(name), scalar_text(key)) == 0)
			return false;
	}
	return true;
}

static void check_pair(const struct check *check, const cyaml_schema_field_t *fields,
	const yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *path)
{
	const yaml_node_t *key = yaml_tree_node(check->tree, pair->key);
	const cyaml_schema_field_t *field;
	char below[PROBLEM_PATH_BYTES];

	if (key->type != YAML_SCALAR_NODE) {
		problems_add(
			check->problems, path, "a key is %s; it must be a word", node_kind(key));
		return;
	}
	path_key(below, path, scalar_text(key));
	field = find_field(fields, scalar_text(key));
	if (!is_first(check, mapping, pair, key))
		problems_add_at(check->problems, (unsigned)key->start_mark.line + 1,
			(unsigned)key->start_mark.column + 1, "%s: given twice; remove one", below);
	else if (!field)
		report_unknown_key(check, fields, below, scalar_text(key));
	else
		check_value(check, &field->value, yaml_tree_node(check->tree, pair->value), below);
}

static void check_mapping(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	const cyaml_schema_field_t *field = schema->mapping.fields;
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

	/* A full list of problems also ends what would take time quadratic in the number of keys. */
	for (; pair < node->data.mapping.pairs.top && !check->problems->dropped; pair++)
		check_pair(check, schema->mapping.fields, node, pair, path);
	for (; field->key; field++)
		if (!(field->value.flags & CYAML_FLAG_OPTIONAL) &&
			!yaml_tree_value(check->tree, node, field->key, strlen(field->key)))
			problems_add(check->problems, path, "'%s' is missing; add '%s: ...'",
				field->key, field->key);
}

static void check_list(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	const yaml_node_item_t *items = node->data.sequence.items.start;
	size_t count = (size_t)(node->data.sequence.items.top - items);
	char below[PROBLEM_PATH_BYTES];

	if (count > schema->sequence.max) {
		problems_add(check->problems, path,
			"%zu entries are too many; at most %" PRIu32 " are possible", count,
			schema->sequence.max);
		return;
	}
	for (size_t i = 0; i < count && !check->problems->dropped; i++) {
		path_index(below, path, (unsigned)i);
		check_value(check, schema->sequence.entry, yaml_tree_node(check->tree, items[i]),
			below);
	}
}

static void check_text(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	size_t length = node->data.scalar.length;

	if (length != strlen(scalar_text(node)))
		problems_add(check->problems, path, "contains a zero byte; remove it");
	else if (length < schema->string.min)
		problems_add(check->problems, path, "is empty; give it a value or remove the key");
	else if (length > schema->string.max)
		problems_add(check->problems, path,
			"is %zu bytes long; at most %" PRIu32 " are possible", length,
			schema->string.max);
}

static void check_bool(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcmp(scalar_text(node), words[i]) == 0)
			return;
	problems_add(check->problems, path, "'%s' is neither true nor false", scalar_text(node));
}

/* The largest value of a signed or unsigned integer of `bytes` bytes. */
static uint64_t largest(size_t bytes, bool is_signed)
{
	uint64_t all = bytes >= 8 ? UINT64_MAX : (1ull << (8 * bytes)) - 1;

	return is_signed ? all >> 1 : all;
}

static void check_number(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	uint64_t limit = largest(schema->data_size, schema->type == CYAML_INT);
	const char *text = scalar_text(node);
	bool is_decimal = *text && text[strspn(text, "0123456789")] == '\0';

	/* A leading zero would make the number octal. */
	if (!is_decimal || (*text == '0' && text[1])) {
		problems_add(
			check->problems, path, "'%s' is not a whole number; write it like 4", text);
		return;
	}
	errno = 0;
	if (strtoull(text, NULL, 10) > limit || errno)
		problems_add(check->problems, path,
			"'%s' is too large; at most %" PRIu64 " is possible", text, limit);
}

static void check_word(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	const char *words[KEYS_MAX];
	size_t count = schema->enumeration.count;
	char all[PROBLEM_TEXT_BYTES / 2];

	for (size_t i = 0; i < count; i++) {
		words[i] = schema->enumeration.strings[i].str;
		if (strcmp(words[i], scalar_text(node)) == 0)
			return;
	}
	join(all, sizeof all, words, count);
	problems_add(check->problems, path, "'%s' is not one of %s", scalar_text(node), all);
}

/* What a value of each type of schema must be in the text, and who checks it further. */
static const struct {
	yaml_node_type_t type;
	const char *what;
	void (*check)(const struct check *check, const cyaml_schema_value_t *schema,
		const yaml_node_t *node, const char *path);
} kinds[CYAML__TYPE_COUNT] = {
	[CYAML_MAPPING] = {YAML_MAPPING_NODE, "a mapping (key: value)", check_mapping},
	[CYAML_SEQUENCE] = {YAML_SEQUENCE_NODE, "a list (- entry)", check_list},
	[CYAML_STRING] = {YAML_SCALAR_NODE, "a single value", check_text},
	[CYAML_BOOL] = {YAML_SCALAR_NODE, "true or false", check_bool},
	[CYAML_INT] = {YAML_SCALAR_NODE, "a whole number", check_number},
	[CYAML_UINT] = {YAML_SCALAR_NODE, "a whole number", check_number},
	[CYAML_ENUM] = {YAML_SCALAR_NODE, "a word", check_word},
};

static void check_value(const struct check *check, const cyaml_schema_value_t *schema,
	const yaml_node_t *node, const char *path)
{
	const char *what = kinds[schema->type].what;

	if (node->type == kinds[schema->type].type)
		kinds[schema->type].check(check, schema, node, path);
	else if (node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0)
		problems_add(check->problems, path, "is empty; it must be %s", what);
	else
		problems_add(check->problems, path, "is %s; it must be %s", node_kind(node), what);
}

void yaml_check(
	const struct yaml_tree *tree, const cyaml_schema_value_t *schema, struct problems *problems)
{
	const struct check check = {tree, problems};
	const yaml_node_t *root = yaml_tree_root(tree);

	if (!root)
		problems_add(problems, "", "is empty; see sluice.yaml(5) for an example");
	else
		check_value(&check, schema, root, "");
}
