#include "control/configuration/configuration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control/configuration/configuration_check.h"
#include "control/configuration/configuration_schema.h"
#include "control/configuration/yaml_check.h"

#define SWAP(a, b)                    \
	do {                          \
		typeof(a) kept = (a); \
		(a) = (b);            \
		(b) = kept;           \
	} while (0)

/* What yaml_check lets through libcyaml loads; if it ever does not, its reason is the message. */
static void note_reason(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
	struct error *reason = context;

	if (level == CYAML_LOG_ERROR && !*reason->message) {
		vsnprintf(reason->message, sizeof reason->message, format, arguments);
		reason->message[strcspn(reason->message, "\n")] = '\0';
	}
}

static cyaml_config_t library_settings(struct error *reason)
{
	return (cyaml_config_t){
		.log_fn = note_reason,
		.log_ctx = reason,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_STYLE_BLOCK,
	};
}

/* The steps that every schema shares, up to the filled structure. */
static void *load(const cyaml_schema_value_t *schema, const struct yaml_tree *tree,
	const char *text, size_t length, struct problems *problems)
{
	struct error reason = {""};
	cyaml_config_t settings = library_settings(&reason);
	cyaml_data_t *data = NULL;
	cyaml_err_t result;

	yaml_check(tree, schema, problems);
	if (problems->count)
		return NULL;
	result = cyaml_load_data((const uint8_t *)text, length, &settings, schema, &data, NULL);
	if (result == CYAML_OK)
		return data;
	problems_add(problems, "", "%s", *reason.message ? reason.message : cyaml_strerror(result));
	return NULL;
}

static void unload(const cyaml_schema_value_t *schema, void *data)
{
	struct error reason = {""};
	cyaml_config_t settings = library_settings(&reason);

	if (data)
		cyaml_free(&settings, schema, data, 0);
}

void configuration_load(const char *text, size_t length, struct configuration **configuration,
	struct problems *problems)
{
	struct configuration *loaded;
	struct yaml_tree tree;

	*configuration = NULL;
	if (!yaml_tree_parse(&tree, text, length, problems))
		return;
	problems->tree = &tree;
	loaded = load(&configuration_schema, &tree, text, length, problems);
	if (loaded)
		configuration_check(loaded, problems);
	if (problems->count)
		configuration_free(loaded);
	else
		*configuration = loaded;
	problems_sort(problems);
	problems->tree = NULL;
	yaml_tree_free(&tree);
}

static void *load_part(const cyaml_schema_value_t *schema, const char *text, size_t length,
	struct problems *problems)
{
	struct yaml_tree tree;
	void *part;

	if (!yaml_tree_parse(&tree, text, length, problems))
		return NULL;
	problems->tree = &tree;
	part = load(schema, &tree, text, length, problems);
	problems->tree = NULL;
	yaml_tree_free(&tree);
	return part;
}

void configuration_load_disk(
	const char *text, size_t length, struct disk_settings **disk, struct problems *problems)
{
	*disk = load_part(&disk_schema, text, length, problems);
}

void configuration_load_slo(
	const char *text, size_t length, struct slo_settings **slo, struct problems *problems)
{
	*slo = load_part(&slo_schema, text, length, problems);
}

void configuration_load_nic(
	const char *text, size_t length, struct nic_settings **nic, struct problems *problems)
{
	*nic = load_part(&nic_schema, text, length, problems);
}

/* What `over` says takes the place of what `to` says, which goes to `over`. */
static void swap_field(const cyaml_schema_field_t *field, char *to, char *over)
{
	char **old = (char **)(to + field->data_offset);
	char **given = (char **)(over + field->data_offset);

	if (!*given)
		return;
	SWAP(*old, *given);
	if (field->value.type == CYAML_SEQUENCE)
		SWAP(*(uint32_t *)(to + field->count_offset),
			*(uint32_t *)(over + field->count_offset));
}

/* Of a mapping that both have, what is not given stays. */
static void swap_given(struct vm_settings *vm, struct vm_settings *over)
{
	const cyaml_schema_field_t *field = vm_schema.mapping.fields, *below;

	for (; field->key; field++) {
		char *old = *(char **)((char *)vm + field->data_offset);
		char *given = *(char **)((char *)over + field->data_offset);

		if (!old || !given || field->value.type != CYAML_MAPPING) {
			swap_field(field, (char *)vm, (char *)over);
			continue;
		}
		for (below = field->value.mapping.fields; below->key; below++)
			swap_field(below, old, given);
	}
}

void configuration_load_vm(
	const char *text, size_t length, struct vm_settings **vm, struct problems *problems)
{
	struct vm_settings *loaded = load_part(&vm_schema, text, length, problems);

	if (loaded && *vm)
		swap_given(*vm, loaded);
	else if (loaded)
		SWAP(*vm, loaded);
	configuration_free_vm(loaded);
}

void configuration_free(struct configuration *configuration)
{
	unload(&configuration_schema, configuration);
}

void configuration_free_disk(struct disk_settings *disk)
{
	unload(&disk_schema, disk);
}

void configuration_free_slo(struct slo_settings *slo)
{
	unload(&slo_schema, slo);
}

void configuration_free_nic(struct nic_settings *nic)
{
	unload(&nic_schema, nic);
}

void configuration_free_vm(struct vm_settings *vm)
{
	unload(&vm_schema, vm);
}

/* libcyaml cannot copy; it can write and read. */
struct slo_settings *configuration_copy_slo(const struct slo_settings *slo)
{
	struct error reason = {""};
	cyaml_config_t settings = library_settings(&reason);
	cyaml_data_t *copy = NULL;
	size_t length;
	char *text;

	if (cyaml_save_data(&text, &length, &settings, &slo_schema, slo, 0) != CYAML_OK)
		return NULL;
	if (cyaml_load_data((const uint8_t *)text, length, &settings, &slo_schema, &copy, NULL) !=
		CYAML_OK)
		copy = NULL;
	free(text);
	return copy;
}

static int read_all(int fd, char *text, size_t size, size_t *length)
{
	ssize_t count;

	for (*length = 0; *length < size; *length += (size_t)count) {
		count = read(fd, text + *length, size - *length);
		if (count < 0)
			return -errno;
		if (count == 0)
			return 0;
	}
	return -EFBIG;
}

static int read_file(const char *file, char *text, size_t size, size_t *length, struct error *error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0 && errno == ENOENT)
		return error_set(error, -ENOENT,
			"%s: there is no such file; write it (sluice.yaml(5) has an example), or "
			"name another with --config",
			file);
	if (fd < 0)
		return error_set(error, -errno, "%s: cannot open it: %s", file, strerror(errno));
	result = read_all(fd, text, size, length);
	close(fd);
	if (result == -EFBIG)
		return error_set(error, result, "%s: longer than the %u MiB a configuration may be",
			file, CONFIGURATION_BYTES_MAX >> 20);
	if (result < 0)
		return error_set(error, result, "%s: cannot read it: %s", file, strerror(-result));
	return 0;
}

/* One of the loaders of texts; `loaded` points at what it sets. */
typedef void text_loader(const char *text, size_t length, void *loaded, struct problems *problems);

static int load_file(const char *file, text_loader *load_text, void *loaded,
	struct problems *problems, struct error *error)
{
	char *text = malloc(CONFIGURATION_BYTES_MAX + 1);
	size_t length = 0;
	int result;

	if (!text)
		return error_set(error, -ENOMEM, "%s: out of memory", file);
	result = read_file(file, text, CONFIGURATION_BYTES_MAX + 1, &length, error);
	if (result == 0) {
		load_text(text, length, loaded, problems);
		result = problems_error(problems, error);
	}
	free(text);
	return result;
}

static void load_whole(const char *text, size_t length, void *loaded, struct problems *problems)
{
	configuration_load(text, length, loaded, problems);
}

int configuration_load_file(const char *file, struct configuration **configuration,
	struct problems *problems, struct error *error)
{
	*configuration = NULL;
	return load_file(file, load_whole, configuration, problems, error);
}

static void load_vm(const char *text, size_t length, void *loaded, struct problems *problems)
{
	configuration_load_vm(text, length, loaded, problems);
	problems_sort(problems);
}

int configuration_load_vm_file(
	const char *file, struct vm_settings **vm, struct problems *problems, struct error *error)
{
	*vm = NULL;
	return load_file(file, load_vm, vm, problems, error);
}

int configuration_save(const struct configuration *configuration, char **text, size_t *length)
{
	struct error reason = {""};
	cyaml_config_t settings = library_settings(&reason);

	*text = NULL;
	if (cyaml_save_data(text, length, &settings, &configuration_schema, configuration, 0) !=
		CYAML_OK)
		return -ENOMEM;
	return 0;
}
