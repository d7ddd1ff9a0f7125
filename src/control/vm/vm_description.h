/*
 * A VM to run, as `sluice vm run` tells it to the program that does, sluice-vm: plain values, all names
 * resolved; as JSON, in sluice-vm's one argument.
 */
#ifndef SLUICE_CONTROL_VM_VM_DESCRIPTION_H
#define SLUICE_CONTROL_VM_VM_DESCRIPTION_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/layout.h"
#include "vmm/vm_memory.h"

#define VM_NAME_BYTES 64u
#define VM_DEVICES_MAX 31u /* disks, NICs and modules together: functions of one PCI bus */
#define VM_COMMAND_LINE_BYTES 4096u
#define VM_GRACE_NS_DEFAULT 30000000000ull
#define VM_CPU_ANY (-1)

enum vm_device_kind { VM_DISK, VM_NIC, VM_MODULE };

struct vm_device {
	enum vm_device_kind kind;
	char name[VM_NAME_BYTES]; /* as sluiced calls it; or its socket's path, cut */
	char socket[108];
	bool is_sluiced; /* sluiced serves it by this name, and can be asked about it */
};

/* What becomes of a system call that the filter does not list. */
enum vm_sandbox { VM_SANDBOX_ON, VM_SANDBOX_LOG, VM_SANDBOX_OFF };

struct vm_description {
	char name[VM_NAME_BYTES];
	uint64_t memory_bytes;
	enum huge_pages huge_pages;
	unsigned vcpu_count;
	int guest_cores[VCPUS_MAX]; /* a CPU for each vCPU, or VM_CPU_ANY */
	int hypervisor_cpu;	    /* or VM_CPU_ANY */
	uint64_t poll_ns_max;
	bool is_split, are_cores_dedicated, has_exit_rings;
	char kernel[PATH_MAX], initrd[PATH_MAX]; /* no initrd: empty */
	char command_line[VM_COMMAND_LINE_BYTES];
	unsigned device_count;
	struct vm_device devices[VM_DEVICES_MAX];
	char user[LOGIN_NAME_MAX]; /* empty: the default */
	uint64_t grace_ns;	   /* from the power button to the end */
	enum vm_sandbox sandbox;
};

/* What these are called, in JSON and by people: by value, and NULL at the end. */
extern const char *const vm_device_kind_words[];
extern const char *const vm_huge_pages_words[];
extern const char *const vm_sandbox_words[];

/* Which of the words that is; -1 if none. */
int vm_word_find(const char *const *words, const char *text);

/* A new reference, or NULL. */
json_t *vm_description_encode(const struct vm_description *description);

/*
 * Read it back. Returns 0, or -EINVAL with the key that is not what it must be in `error`. What it
 * lets through is within the bounds above.
 */
int vm_description_decode(
	const char *text, struct vm_description *description, struct error *error);

#endif
