/*
 * What there is in the machine, in ACPI's language. Long names in capitals are C's: this goes through its
 * preprocessor first (compile_dsdt).
 */
#include "vmm/boot/dsdt_numbers.h"
#include "vmm/devices/power_registers.h"
#include "vmm/layout.h"

DefinitionBlock ("", "DSDT", 2, "SLUICE", "SLUICEVM", 1)
{
	Name (\_S5, Package () { POWER_SLEEP_TYPE_OFF, 0, 0, 0 })

	Scope (\_SB)
	{
		/* Conventional PCI, by its two ports. All functions signal by messages: no routing table. */
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_BBN, 0)
			Name (_CRS, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, LAYOUT_PORT_PCI_ADDRESS, LAYOUT_PORT_PCI_ADDRESS, 1, 8)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite, 0, LAYOUT_PCI_MEMORY_START,
					DSDT_PCI_MEMORY_LAST, 0, DSDT_PCI_MEMORY_BYTES)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, LAYOUT_PORT_SERIAL, LAYOUT_PORT_SERIAL, 1,
					LAYOUT_PORT_SERIAL_COUNT)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive)
				{
					LAYOUT_GSI_SERIAL
				}
			})
		}

		Device (PWRB)
		{
			Name (_HID, EisaId ("PNP0C0C"))
			Name (_UID, 0)
		}

		/* The generic event device: its interrupt says that the button was pressed. */
		Device (GED)
		{
			Name (_HID, "ACPI0013")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive)
				{
					LAYOUT_GSI_POWER
				}
			})
			OperationRegion (EVNT, SystemIO, LAYOUT_PORT_POWER + POWER_EVENT, 1)
			Field (EVNT, ByteAcc, NoLock, WriteAsZeros)
			{
				HAPP, 8
			}
			Method (_EVT, 1, Serialized)
			{
				If (HAPP & POWER_EVENT_BUTTON)
				{
					Notify (PWRB, 0x80)
				}
			}
		}
	}
}
