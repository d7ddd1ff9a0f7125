#include "vmm/exits/exit_table.h"

#include <linux/kvm.h>

#include "vmm/exits/exit_handlers.h"

const char *const exit_class_names[EXIT_CLASS_COUNT] = {
	[EXIT_ELIMINATED] = "eliminated",
	[EXIT_ASYNCHRONOUS] = "asynchronous",
	[EXIT_SYNCHRONOUS] = "synchronous",
};

const char *const exit_path_names[EXIT_PATH_COUNT] = {
	[EXIT_BY_POST] = "post",
	[EXIT_BY_COALESCING] = "coalescing",
	[EXIT_BY_DOORBELL] = "doorbell",
	[EXIT_BY_MEMORY] = "memory",
	[EXIT_BY_KERNEL] = "kernel",
};

const char *const exit_place_names[EXIT_PLACE_COUNT] = {
	[EXIT_ON_CORE] = "hypervisor core",
	[EXIT_ON_VCPU] = "vCPU's thread",
	[EXIT_IN_KERNEL] = "kernel",
	[EXIT_NOWHERE] = "nowhere",
};

/* Reasons that are younger than some linux/kvm.h that this is built with. */
#define REASON_LOONGARCH_IOCSR 38
#define REASON_MEMORY_FAULT 39
#define REASON_TDX 40
#define REASON_ARM_SEA 41
#define REASON_ARM_LDST64B 42
#define REASON_SNP_REQ_CERTS 43

/* Of another architecture, or only where a capability was enabled that Sluice leaves alone. */
#define NEVER(reason_name)                                                                  \
	{                                                                                   \
		reason_name, EXIT_ELIMINATED, EXIT_BY_KERNEL, EXIT_NOWHERE, exit_unexpected \
	}
/* The guest has nothing to wait for: KVM tells of it, or asks, and no answer is needed. */
#define IN_KERNEL(reason_name)                                                           \
	{                                                                                \
		reason_name, EXIT_ELIMINATED, EXIT_BY_KERNEL, EXIT_IN_KERNEL, exit_go_on \
	}
#define ON_CORE(reason_name, handler)                                              \
	{                                                                          \
		reason_name, EXIT_SYNCHRONOUS, EXIT_BY_POST, EXIT_ON_CORE, handler \
	}

const struct exit_reason_row exit_reasons[EXIT_REASON_COUNT] = {
	[KVM_EXIT_UNKNOWN] = ON_CORE("UNKNOWN", exit_unexpected),
	[KVM_EXIT_EXCEPTION] = NEVER("EXCEPTION"),
	[KVM_EXIT_IO] = ON_CORE("IO", exit_port),
	[KVM_EXIT_HYPERCALL] = ON_CORE("HYPERCALL", exit_hypercall),
	[KVM_EXIT_DEBUG] = NEVER("DEBUG"),
	[KVM_EXIT_HLT] = IN_KERNEL("HLT"),
	[KVM_EXIT_MMIO] = ON_CORE("MMIO", exit_memory),
	[KVM_EXIT_IRQ_WINDOW_OPEN] = IN_KERNEL("IRQ_WINDOW_OPEN"),
	[KVM_EXIT_SHUTDOWN] = ON_CORE("SHUTDOWN", exit_shutdown),
	[KVM_EXIT_FAIL_ENTRY] = ON_CORE("FAIL_ENTRY", exit_failed_entry),
	/* A signal: the vCPU is to look whether it should end. */
	[KVM_EXIT_INTR] = {"INTR", EXIT_SYNCHRONOUS, EXIT_BY_KERNEL, EXIT_ON_VCPU, exit_go_on},
	[KVM_EXIT_SET_TPR] = IN_KERNEL("SET_TPR"),
	[KVM_EXIT_TPR_ACCESS] = IN_KERNEL("TPR_ACCESS"),
	[KVM_EXIT_S390_SIEIC] = NEVER("S390_SIEIC"),
	[KVM_EXIT_S390_RESET] = NEVER("S390_RESET"),
	[KVM_EXIT_DCR] = NEVER("DCR"),
	[KVM_EXIT_NMI] = IN_KERNEL("NMI"),
	[KVM_EXIT_INTERNAL_ERROR] = ON_CORE("INTERNAL_ERROR", exit_internal_error),
	[KVM_EXIT_OSI] = NEVER("OSI"),
	[KVM_EXIT_PAPR_HCALL] = NEVER("PAPR_HCALL"),
	[KVM_EXIT_S390_UCONTROL] = NEVER("S390_UCONTROL"),
	[KVM_EXIT_WATCHDOG] = NEVER("WATCHDOG"),
	[KVM_EXIT_S390_TSCH] = NEVER("S390_TSCH"),
	[KVM_EXIT_EPR] = NEVER("EPR"),
	[KVM_EXIT_SYSTEM_EVENT] = ON_CORE("SYSTEM_EVENT", exit_system_event),
	[KVM_EXIT_S390_STSI] = NEVER("S390_STSI"),
	[KVM_EXIT_IOAPIC_EOI] = IN_KERNEL("IOAPIC_EOI"),
	[KVM_EXIT_HYPERV] = NEVER("HYPERV"),
	[KVM_EXIT_ARM_NISV] = NEVER("ARM_NISV"),
	[KVM_EXIT_X86_RDMSR] = ON_CORE("X86_RDMSR", exit_model_specific_register),
	[KVM_EXIT_X86_WRMSR] = ON_CORE("X86_WRMSR", exit_model_specific_register),
	[KVM_EXIT_DIRTY_RING_FULL] = NEVER("DIRTY_RING_FULL"),
	[KVM_EXIT_AP_RESET_HOLD] = NEVER("AP_RESET_HOLD"),
	[KVM_EXIT_X86_BUS_LOCK] = IN_KERNEL("X86_BUS_LOCK"),
	[KVM_EXIT_XEN] = NEVER("XEN"),
	[KVM_EXIT_RISCV_SBI] = NEVER("RISCV_SBI"),
	[KVM_EXIT_RISCV_CSR] = NEVER("RISCV_CSR"),
	[KVM_EXIT_NOTIFY] = ON_CORE("NOTIFY", exit_notify),
	[REASON_LOONGARCH_IOCSR] = NEVER("LOONGARCH_IOCSR"),
	[REASON_MEMORY_FAULT] = ON_CORE("MEMORY_FAULT", exit_unexpected),
	[REASON_TDX] = NEVER("TDX"),
	[REASON_ARM_SEA] = NEVER("ARM_SEA"),
	[REASON_ARM_LDST64B] = NEVER("ARM_LDST64B"),
	[REASON_SNP_REQ_CERTS] = NEVER("SNP_REQ_CERTS"),
};

unsigned exit_reason_index(uint32_t reason)
{
	return reason < EXIT_REASON_COUNT ? reason : KVM_EXIT_UNKNOWN;
}

/* Registers are read synchronously: the guest needs the value. What a write does is another matter. */
#define SYNCHRONOUS(kind_name, register_space)                                                  \
	{                                                                                       \
		.name = (kind_name), .space = (register_space), .read_class = EXIT_SYNCHRONOUS, \
		.write_class = EXIT_SYNCHRONOUS, .read_path = EXIT_BY_POST,                     \
		.write_path = EXIT_BY_POST,                                                     \
	}
#define ASYNCHRONOUS(kind_name, register_space, way)                                              \
	{                                                                                         \
		.name = (kind_name), .space = (register_space), .read_class = EXIT_SYNCHRONOUS,   \
		.write_class = EXIT_ASYNCHRONOUS, .read_path = EXIT_BY_POST, .write_path = (way), \
	}

const struct register_kind_row register_kinds[REGISTER_KIND_COUNT] = {
	[REGISTER_SERIAL] = ASYNCHRONOUS("serial", REGISTER_PORT, EXIT_BY_COALESCING),
	[REGISTER_KEYBOARD] = SYNCHRONOUS("keyboard", REGISTER_PORT),
	[REGISTER_POWER] = SYNCHRONOUS("power", REGISTER_PORT),
	[REGISTER_PCI_CONFIG] = SYNCHRONOUS("pci-config", REGISTER_PORT),
	[REGISTER_EXIT_DOORBELL] = ASYNCHRONOUS("exit-doorbell", REGISTER_PORT, EXIT_BY_DOORBELL),
	[REGISTER_VIRTIO_COMMON] = SYNCHRONOUS("virtio-common", REGISTER_MEMORY),
	[REGISTER_VIRTIO_STATUS] = SYNCHRONOUS("virtio-status", REGISTER_MEMORY),
	[REGISTER_VIRTIO_CONFIG] = SYNCHRONOUS("virtio-config", REGISTER_MEMORY),
	[REGISTER_VIRTIO_DOORBELL] =
		ASYNCHRONOUS("virtio-doorbell", REGISTER_MEMORY, EXIT_BY_DOORBELL),
	[REGISTER_MSIX_TABLE] = SYNCHRONOUS("msix-table", REGISTER_MEMORY),
	[REGISTER_MSIX_PENDING] = SYNCHRONOUS("msix-pending", REGISTER_MEMORY),
	[REGISTER_IVSHMEM] = ASYNCHRONOUS("ivshmem", REGISTER_MEMORY, EXIT_BY_DOORBELL),
	[REGISTER_IVSHMEM_MEMORY] = SYNCHRONOUS("ivshmem-memory", REGISTER_MEMORY),
};
