#include "ring.h"

#include "cpu.h"

static uint32_t doorbells;

static bool is_signature(const struct cpuid *base)
{
	static const char signature[] = SLUICE_CPUID_SIGNATURE;
	const uint32_t said[] = {base->ebx, base->ecx, base->edx};

	for (unsigned i = 0; i < sizeof said; i++)
		if ((char)(said[i / 4] >> 8 * (i % 4)) != signature[i])
			return false;
	return base->eax >= SLUICE_CPUID_EXIT_RINGS;
}

static struct cpuid leaf(void)
{
	const struct cpuid base = cpuid(SLUICE_CPUID_BASE);

	if (!is_signature(&base))
		return (struct cpuid){0};
	return cpuid(SLUICE_CPUID_EXIT_RINGS);
}

unsigned ring_count(void)
{
	const struct cpuid rings = leaf();

	return rings.eax == SLUICE_EXIT_RING_VERSION ? rings.edx : 0;
}

struct sluice_exit_ring *ring_at(unsigned index)
{
	const struct cpuid rings = leaf();

	return (struct sluice_exit_ring *)((uintptr_t)rings.ebx + (uintptr_t)index * rings.ecx);
}

static void ring_doorbell(uint32_t index)
{
	doorbells++;
	port_write32(SLUICE_EXIT_RING_PORT_DOORBELL, index);
}

bool ring_open(struct exit_ring_client *client, unsigned index)
{
	return index < ring_count() &&
	       exit_ring_client_open(client, ring_at(index), index, ring_doorbell);
}

uint32_t ring_doorbells(void)
{
	return doorbells;
}
