/* The libcyaml schemas of sluice.yaml and of the parts that the control protocol carries alone. */
#ifndef SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_SCHEMA_H
#define SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_SCHEMA_H

#include <cyaml/cyaml.h>

extern const cyaml_schema_value_t configuration_schema;
extern const cyaml_schema_value_t disk_schema;
extern const cyaml_schema_value_t slo_schema;
extern const cyaml_schema_value_t nic_schema;
extern const cyaml_schema_value_t vm_schema;

#endif
