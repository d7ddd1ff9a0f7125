/*
 * The power registers, from LAYOUT_PORT_POWER on, one byte each: for the device, and for the tables that
 * tell the guest of them. Preprocessed into dsdt.asl as well: macros only.
 */
#ifndef SLUICE_VMM_DEVICES_POWER_REGISTERS_H
#define SLUICE_VMM_DEVICES_POWER_REGISTERS_H

#define POWER_SLEEP_CONTROL 0u
#define POWER_SLEEP_STATUS 1u
#define POWER_RESET 2u
#define POWER_EVENT 3u

#define POWER_RESET_VALUE 1u
#define POWER_EVENT_BUTTON 1u
#define POWER_SLEEP_TYPE_OFF 5u

#endif
