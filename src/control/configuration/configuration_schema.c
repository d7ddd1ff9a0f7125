#include "control/configuration/configuration_schema.h"

#include "cluster/etcd_config.h"
#include "control/configuration/configuration.h"
#include "control/vm/vm_description.h"
#include "disk/pool.h"
#include "gatekeeper/nic.h"
#include "offload/host/module_description.h"
#include "slo/slo.h"

#define TEXT_BYTES_MAX 4095

#define NEEDED CYAML_FLAG_POINTER
#define OPTIONAL (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define FLOW (OPTIONAL | CYAML_FLAG_FLOW)

#define TEXT(flags, key, structure) \
	CYAML_FIELD_STRING_PTR(#key, flags, struct structure, key, 1, TEXT_BYTES_MAX)
#define TRUTH(key, structure) CYAML_FIELD_BOOL_PTR(#key, OPTIONAL, struct structure, key)
#define NUMBER(key, structure) CYAML_FIELD_UINT_PTR(#key, OPTIONAL, struct structure, key)
#define MAPPING(flags, key, structure) \
	CYAML_FIELD_MAPPING_PTR(#key, flags, struct structure, key, key##_fields)
#define LIST(flags, key, structure, entry, max) \
	CYAML_FIELD_SEQUENCE(#key, flags, struct structure, key, entry, 0, max)

static const cyaml_schema_field_t control_fields[] = {
	TEXT(OPTIONAL, socket, control_settings),
	TEXT(OPTIONAL, group, control_settings),
	TEXT(OPTIONAL, metrics, control_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t sidecore_fields[] = {
	TEXT(NEEDED, name, sidecore_settings),
	NUMBER(cpu, sidecore_settings),
	TEXT(OPTIONAL, poll, sidecore_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t sidecore_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct sidecore_settings, sidecore_fields)};

static const cyaml_schema_field_t price_fields[] = {
	TEXT(OPTIONAL, operation, price_settings),
	TEXT(OPTIONAL, kib, price_settings),
	CYAML_FIELD_END,
};
#define random_fields price_fields
#define sequential_fields price_fields
static const cyaml_schema_field_t prices_fields[] = {
	MAPPING(FLOW, random, prices_settings),
	MAPPING(FLOW, sequential, prices_settings),
	CYAML_FIELD_END,
};
#define read_fields prices_fields
#define write_fields prices_fields
static const cyaml_schema_field_t cost_fields[] = {
	MAPPING(OPTIONAL, read, cost_settings),
	MAPPING(OPTIONAL, write, cost_settings),
	TEXT(OPTIONAL, flush, cost_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t pool_fields[] = {
	TEXT(NEEDED, name, pool_settings),
	TEXT(OPTIONAL, sidecore, pool_settings),
	TEXT(OPTIONAL, backend, pool_settings),
	TEXT(OPTIONAL, path, pool_settings),
	TEXT(OPTIONAL, capacity, pool_settings),
	TEXT(OPTIONAL, latency, pool_settings),
	TRUTH(enforce, pool_settings),
	NUMBER(in_flight, pool_settings),
	TRUTH(page_cache, pool_settings),
	TEXT(OPTIONAL, largest_request, pool_settings),
	MAPPING(OPTIONAL, cost, pool_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t pool_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct pool_settings, pool_fields)};

static const cyaml_schema_field_t tier_fields[] = {
	TEXT(NEEDED, burst, tier_settings),
	TEXT(NEEDED, rate, tier_settings),
	TEXT(NEEDED, within, tier_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t tier_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_FLOW, struct tier_settings, tier_fields)};

static const cyaml_schema_field_t limit_fields[] = {
	TEXT(OPTIONAL, iops, limit_settings),
	TEXT(OPTIONAL, iops_burst, limit_settings),
	TEXT(OPTIONAL, bytes_per_s, limit_settings),
	TEXT(OPTIONAL, bytes_burst, limit_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t slo_fields[] = {
	NUMBER(weight, slo_settings),
	LIST(OPTIONAL, tiers, slo_settings, &tier_entry, SLO_TIERS_MAX),
	MAPPING(FLOW, limit, slo_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t disk_fields[] = {
	TEXT(NEEDED, name, disk_settings),
	TEXT(OPTIONAL, pool, disk_settings),
	TEXT(OPTIONAL, image, disk_settings),
	TEXT(OPTIONAL, size, disk_settings),
	NUMBER(queues, disk_settings),
	TRUTH(read_only, disk_settings),
	TEXT(OPTIONAL, serial, disk_settings),
	TEXT(OPTIONAL, socket, disk_settings),
	MAPPING(OPTIONAL, slo, disk_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t disk_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct disk_settings, disk_fields)};

static const cyaml_schema_value_t text_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_BYTES_MAX)};

static const cyaml_schema_field_t agent_host_fields[] = {
	TEXT(NEEDED, name, agent_host_settings),
	TEXT(NEEDED, address, agent_host_settings),
	LIST(FLOW, serves, agent_host_settings, &text_entry, CONFIGURATION_ADDRESSES_MAX),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t agent_host_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct agent_host_settings, agent_host_fields)};

static const cyaml_schema_field_t etcd_fields[] = {
	LIST(NEEDED | CYAML_FLAG_FLOW, endpoints, etcd_settings, &text_entry, ETCD_ENDPOINTS_MAX),
	TEXT(OPTIONAL, prefix, etcd_settings),
	TEXT(OPTIONAL, lease, etcd_settings),
	TEXT(OPTIONAL, ca, etcd_settings),
	TEXT(OPTIONAL, cert, etcd_settings),
	TEXT(OPTIONAL, cert_key, etcd_settings),
	TEXT(OPTIONAL, user, etcd_settings),
	TEXT(OPTIONAL, password_file, etcd_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t network_fields[] = {
	TEXT(NEEDED, host, network_settings),
	TEXT(OPTIONAL, address, network_settings),
	TEXT(NEEDED, uplink, network_settings),
	TEXT(NEEDED, link, network_settings),
	TEXT(NEEDED, key, network_settings),
	TEXT(OPTIONAL, period, network_settings),
	LIST(OPTIONAL, hosts, network_settings, &agent_host_entry, CONFIGURATION_HOSTS_MAX),
	MAPPING(OPTIONAL, etcd, network_settings),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t bandwidth_fields[] = {
	TEXT(OPTIONAL, min, bandwidth_settings),
	TEXT(OPTIONAL, max, bandwidth_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_field_t device_fields[] = {
	TEXT(OPTIONAL, sidecore, device_settings),
	TEXT(OPTIONAL, socket, device_settings),
	TEXT(OPTIONAL, mac, device_settings),
	NUMBER(queues, device_settings),
	NUMBER(mtu, device_settings),
	CYAML_FIELD_END,
};
#define send_fields bandwidth_fields
#define receive_fields bandwidth_fields
static const cyaml_schema_field_t nic_fields[] = {
	TEXT(NEEDED, name, nic_settings),
	TEXT(NEEDED, netdev, nic_settings),
	LIST(FLOW, addresses, nic_settings, &text_entry, NIC_ADDRESSES_MAX),
	MAPPING(FLOW, send, nic_settings),
	MAPPING(FLOW, receive, nic_settings),
	NUMBER(weight, nic_settings),
	MAPPING(FLOW, device, nic_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t nic_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct nic_settings, nic_fields)};

static const cyaml_schema_field_t hypervisor_core_fields[] = {
	NUMBER(cpu, hypervisor_core_settings),
	TEXT(OPTIONAL, poll, hypervisor_core_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t cpu_entry = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint16_t)};

/* What is needed may come from the command line as well, so that its lack is for vm_values.h to say. */
static const cyaml_schema_field_t vm_fields[] = {
	TEXT(OPTIONAL, name, vm_settings),
	TEXT(OPTIONAL, memory, vm_settings),
	NUMBER(cpus, vm_settings),
	LIST(FLOW, guest_cores, vm_settings, &cpu_entry, VCPUS_MAX),
	MAPPING(FLOW, hypervisor_core, vm_settings),
	TRUTH(split, vm_settings),
	TRUTH(dedicated, vm_settings),
	TRUTH(exit_rings, vm_settings),
	TEXT(OPTIONAL, huge_pages, vm_settings),
	TEXT(OPTIONAL, kernel, vm_settings),
	TEXT(OPTIONAL, initrd, vm_settings),
	TEXT(OPTIONAL, command_line, vm_settings),
	LIST(FLOW, disks, vm_settings, &text_entry, VM_DEVICES_MAX),
	LIST(FLOW, nics, vm_settings, &text_entry, VM_DEVICES_MAX),
	LIST(FLOW, modules, vm_settings, &text_entry, VM_DEVICES_MAX),
	TEXT(OPTIONAL, user, vm_settings),
	TEXT(OPTIONAL, grace, vm_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t vm_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct vm_settings, vm_fields)};

static const cyaml_schema_field_t module_fields[] = {
	TEXT(NEEDED, name, module_settings),
	TEXT(NEEDED, module, module_settings),
	TEXT(NEEDED, directory, module_settings),
	TEXT(OPTIONAL, socket, module_settings),
	TEXT(OPTIONAL, group, module_settings),
	TEXT(OPTIONAL, region, module_settings),
	TEXT(OPTIONAL, doorbell, module_settings),
	NUMBER(cpu, module_settings),
	TEXT(OPTIONAL, poll, module_settings),
	NUMBER(connections, module_settings),
	TEXT(OPTIONAL, user, module_settings),
	TEXT(OPTIONAL, memory_limit, module_settings),
	TEXT(OPTIONAL, cpu_limit, module_settings),
	LIST(FLOW, options, module_settings, &text_entry, MODULE_OPTIONS_MAX),
	TEXT(OPTIONAL, pool, module_settings),
	MAPPING(OPTIONAL, slo, module_settings),
	CYAML_FIELD_END,
};
static const cyaml_schema_value_t module_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct module_settings, module_fields)};

static const cyaml_schema_field_t configuration_fields[] = {
	MAPPING(OPTIONAL, control, configuration),
	LIST(OPTIONAL, sidecores, configuration, &sidecore_entry, CONFIGURATION_SIDECORES_MAX),
	LIST(OPTIONAL, pools, configuration, &pool_entry, CONFIGURATION_POOLS_MAX),
	LIST(OPTIONAL, disks, configuration, &disk_entry, POOL_MEMBERS_MAX),
	MAPPING(OPTIONAL, network, configuration),
	LIST(OPTIONAL, nics, configuration, &nic_entry, NIC_SLOTS),
	LIST(OPTIONAL, vms, configuration, &vm_entry, CONFIGURATION_VMS_MAX),
	LIST(OPTIONAL, modules, configuration, &module_entry, CONFIGURATION_MODULES_MAX),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t configuration_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct configuration, configuration_fields)};
const cyaml_schema_value_t disk_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct disk_settings, disk_fields)};
const cyaml_schema_value_t slo_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct slo_settings, slo_fields)};
const cyaml_schema_value_t nic_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct nic_settings, nic_fields)};
const cyaml_schema_value_t vm_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct vm_settings, vm_fields)};
