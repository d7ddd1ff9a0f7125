#include "control/vm/vm_description.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* How a field is written in JSON. */
enum field_type { FIELD_TEXT, FIELD_WORD, FIELD_UNSIGNED, FIELD_INT, FIELD_UINT64, FIELD_BOOL };

struct field {
	const char *key;
	enum field_type type;
	size_t offset, size;
	const char *const *words; /* of a FIELD_WORD, whose value is the place among them */
};

const char *const vm_device_kind_words[] = {
	[VM_DISK] = "disk", [VM_NIC] = "nic", [VM_MODULE] = "module", NULL};

const char *const vm_huge_pages_words[] = {
	[HUGE_PAGES_IF_ANY] = "auto",
	[HUGE_PAGES_NEVER] = "never",
	[HUGE_PAGES_ALWAYS] = "always",
	NULL,
};

const char *const vm_sandbox_words[] = {
	[VM_SANDBOX_ON] = "on",
	[VM_SANDBOX_LOG] = "log",
	[VM_SANDBOX_OFF] = "off",
	NULL,
};

int vm_word_find(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return i;
	return -1;
}

#define FIELD(key, type, structure, member)                           \
	{                                                             \
		key, type, offsetof(struct structure, member),        \
			sizeof(((struct structure *)0)->member), NULL \
	}

#define WORD_FIELD(key, structure, member, words)                                            \
	{                                                                                    \
		key, FIELD_WORD, offsetof(struct structure, member), sizeof(unsigned), words \
	}

static const struct field vm_fields[] = {
	FIELD("name", FIELD_TEXT, vm_description, name),
	FIELD("memory_bytes", FIELD_UINT64, vm_description, memory_bytes),
	WORD_FIELD("huge_pages", vm_description, huge_pages, vm_huge_pages_words),
	FIELD("vcpus", FIELD_UNSIGNED, vm_description, vcpu_count),
	FIELD("hypervisor_cpu", FIELD_INT, vm_description, hypervisor_cpu),
	FIELD("poll_ns_max", FIELD_UINT64, vm_description, poll_ns_max),
	FIELD("is_split", FIELD_BOOL, vm_description, is_split),
	FIELD("are_cores_dedicated", FIELD_BOOL, vm_description, are_cores_dedicated),
	FIELD("has_exit_rings", FIELD_BOOL, vm_description, has_exit_rings),
	FIELD("kernel", FIELD_TEXT, vm_description, kernel),
	FIELD("initrd", FIELD_TEXT, vm_description, initrd),
	FIELD("command_line", FIELD_TEXT, vm_description, command_line),
	FIELD("user", FIELD_TEXT, vm_description, user),
	FIELD("grace_ns", FIELD_UINT64, vm_description, grace_ns),
	WORD_FIELD("sandbox", vm_description, sandbox, vm_sandbox_words),
	{0},
};

static const struct field device_fields[] = {
	WORD_FIELD("kind", vm_device, kind, vm_device_kind_words),
	FIELD("name", FIELD_TEXT, vm_device, name),
	FIELD("socket", FIELD_TEXT, vm_device, socket),
	FIELD("is_sluiced", FIELD_BOOL, vm_device, is_sluiced),
	{0},
};

static json_t *encode_field(const struct field *field, const void *structure)
{
	const char *at = (const char *)structure + field->offset;

	switch (field->type) {
	case FIELD_TEXT:
		return json_string(at);
	case FIELD_WORD:
		return json_string(field->words[*(const unsigned *)at]);
	case FIELD_UNSIGNED:
		return json_integer(*(const unsigned *)at);
	case FIELD_INT:
		return json_integer(*(const int *)at);
	case FIELD_UINT64:
		return json_integer((json_int_t) * (const uint64_t *)at);
	case FIELD_BOOL:
		return json_boolean(*(const bool *)at);
	}
	return NULL;
}

static json_t *encode_fields(const struct field *fields, const void *structure)
{
	json_t *object = json_object();

	for (; fields->key; fields++)
		json_object_set_new(object, fields->key, encode_field(fields, structure));
	return object;
}

json_t *vm_description_encode(const struct vm_description *description)
{
	json_t *object = encode_fields(vm_fields, description);
	json_t *cores = json_array(), *devices = json_array();

	for (unsigned i = 0; i < description->vcpu_count; i++)
		json_array_append_new(cores, json_integer(description->guest_cores[i]));
	for (unsigned i = 0; i < description->device_count; i++)
		json_array_append_new(
			devices, encode_fields(device_fields, &description->devices[i]));
	json_object_set_new(object, "guest_cores", cores);
	json_object_set_new(object, "devices", devices);
	return object;
}

static bool decode_text(const json_t *value, char *at, size_t size)
{
	const char *text = json_string_value(value);

	return text && (size_t)snprintf(at, size, "%s", text) < size;
}

static bool decode_word(const json_t *value, const struct field *field, void *at)
{
	const char *text = json_string_value(value);
	int place = text ? vm_word_find(field->words, text) : -1;

	if (place >= 0)
		*(unsigned *)at = (unsigned)place;
	return place >= 0;
}

static bool decode_number(const json_t *value, const struct field *field, void *at)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value))
		return false;
	if (field->type == FIELD_UINT64)
		*(uint64_t *)at = (uint64_t)number;
	else if (field->type == FIELD_INT)
		*(int *)at = (int)number;
	else
		*(unsigned *)at = (unsigned)number;
	if (field->type == FIELD_INT)
		return number >= INT_MIN && number <= INT_MAX;
	return number >= 0 && (field->type == FIELD_UINT64 || number <= INT_MAX);
}

static bool decode_field(const struct field *field, const json_t *value, void *structure)
{
	char *at = (char *)structure + field->offset;

	if (field->type == FIELD_TEXT)
		return decode_text(value, at, field->size);
	if (field->type == FIELD_WORD)
		return decode_word(value, field, at);
	if (field->type != FIELD_BOOL)
		return decode_number(value, field, at);
	*(bool *)at = json_is_true(value);
	return json_is_boolean(value);
}

static int decode_fields(
	const struct field *fields, const json_t *object, void *structure, struct error *error)
{
	for (; fields->key; fields++)
		if (!decode_field(fields, json_object_get(object, fields->key), structure))
			return error_set(error, -EINVAL, "'%s' is missing or wrong", fields->key);
	return 0;
}

static int decode_cores(
	const json_t *cores, struct vm_description *description, struct error *error)
{
	if (json_array_size(cores) != description->vcpu_count)
		return error_set(error, -EINVAL, "'guest_cores' are not as many as the vCPUs");
	for (unsigned i = 0; i < description->vcpu_count; i++) {
		json_int_t core = json_integer_value(json_array_get(cores, i));

		if (core < VM_CPU_ANY || core > UINT16_MAX)
			return error_set(error, -EINVAL, "'guest_cores' has what is no CPU");
		description->guest_cores[i] = (int)core;
	}
	return 0;
}

static int decode_devices(
	const json_t *devices, struct vm_description *description, struct error *error)
{
	size_t count = json_array_size(devices);
	int result = 0;

	if (count > VM_DEVICES_MAX)
		return error_set(error, -EINVAL, "too many devices");
	for (unsigned i = 0; i < count && result == 0; i++)
		result = decode_fields(
			device_fields, json_array_get(devices, i), &description->devices[i], error);
	description->device_count = (unsigned)count;
	return result;
}

static int check_vcpu_count(const struct vm_description *description, struct error *error)
{
	if (description->vcpu_count < 1 || description->vcpu_count > VCPUS_MAX)
		return error_set(error, -EINVAL, "'vcpus' is out of range");
	return 0;
}

int vm_description_decode(const char *text, struct vm_description *description, struct error *error)
{
	json_t *object = json_loads(text, 0, NULL);
	int result;

	*description = (struct vm_description){0};
	if (!object)
		return error_set(error, -EINVAL, "not JSON");
	result = decode_fields(vm_fields, object, description, error);
	if (result == 0)
		result = check_vcpu_count(description, error);
	if (result == 0)
		result = decode_cores(json_object_get(object, "guest_cores"), description, error);
	if (result == 0)
		result = decode_devices(json_object_get(object, "devices"), description, error);
	json_decref(object);
	return result;
}
