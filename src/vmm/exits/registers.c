/*
 * The map of registers: for each space an array of ranges in the order of their bases, searched by halving.
 * The array has its full size from the start, since ranges move while the guest runs.
 */
#include "vmm/exits/registers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"

#define PORTS_END 0x10000ull
#define ACCESS_BYTES_MAX 8u

struct register_map {
	unsigned count;
	struct register_range *ranges[REGISTERS_RANGES_MAX];
};

struct registers {
	struct register_map maps[2]; /* by register_space */
	enum exit_path path;
	struct register_counts counts[REGISTER_KIND_COUNT];
	struct register_counts nobodys;
};

struct registers *registers_create(void)
{
	return calloc(1, sizeof(struct registers));
}

void registers_destroy(struct registers *registers)
{
	free(registers);
}

/* ---- ranges ---- */

static struct register_map *map_of(struct registers *registers, const struct register_range *range)
{
	return &registers->maps[register_kinds[range->kind].space];
}

/* How many ranges begin at `address` or below. */
static unsigned ranges_up_to(const struct register_map *map, uint64_t address)
{
	unsigned low = 0;
	unsigned high = map->count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (map->ranges[middle]->base <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static uint64_t last_of(const struct register_range *range)
{
	return range->base + (range->size_bytes - 1);
}

static bool is_within_space(const struct register_range *range)
{
	if (range->size_bytes == 0 || last_of(range) < range->base)
		return false;
	return register_kinds[range->kind].space == REGISTER_MEMORY || last_of(range) < PORTS_END;
}

int registers_add(struct registers *registers, struct register_range *range)
{
	struct register_map *map = map_of(registers, range);
	unsigned place;

	if (!is_within_space(range))
		return -EINVAL;
	if (map->count == REGISTERS_RANGES_MAX)
		return -ENOSPC;
	place = ranges_up_to(map, last_of(range));
	if (place > 0 && last_of(map->ranges[place - 1]) >= range->base)
		return -EEXIST;
	memmove(&map->ranges[place + 1], &map->ranges[place],
		(map->count - place) * sizeof(struct register_range *));
	map->ranges[place] = range;
	map->count++;
	return 0;
}

void registers_remove(struct registers *registers, struct register_range *range)
{
	struct register_map *map = map_of(registers, range);
	unsigned end = ranges_up_to(map, range->base);

	if (end == 0 || map->ranges[end - 1] != range)
		return;
	memmove(&map->ranges[end - 1], &map->ranges[end],
		(map->count - end) * sizeof(struct register_range *));
	map->count--;
}

void registers_each(struct registers *registers, enum register_space space,
	void (*function)(const struct register_range *range, void *argument), void *argument)
{
	const struct register_map *map = &registers->maps[space];

	for (unsigned i = 0; i < map->count; i++)
		function(map->ranges[i], argument);
}

/* ---- accesses ---- */

/* The part of an access that goes to one range, or to nobody. */
struct piece {
	struct register_range *range;
	unsigned size_bytes;
};

/* The largest power of two that is neither above `bytes` nor above ACCESS_BYTES_MAX. */
static unsigned power_up_to(uint64_t bytes)
{
	unsigned power = ACCESS_BYTES_MAX;

	while (power > bytes)
		power /= 2;
	return power;
}

static struct piece first_piece(
	const struct register_map *map, uint64_t address, unsigned size_bytes)
{
	unsigned end = ranges_up_to(map, address);
	struct register_range *below = end > 0 ? map->ranges[end - 1] : NULL;
	uint64_t rest;

	if (below && address <= last_of(below)) {
		rest = last_of(below) - address;
		return (struct piece){
			below, power_up_to(rest < size_bytes ? rest + 1 : size_bytes)};
	}
	if (end == map->count)
		return (struct piece){NULL, power_up_to(size_bytes)};
	rest = map->ranges[end]->base - address;
	return (struct piece){NULL, power_up_to(rest < size_bytes ? rest : size_bytes)};
}

static void count_read(struct registers *registers, struct register_range *range)
{
	if (range)
		counter_add(&range->reads, 1);
	counter_add(range ? &registers->counts[range->kind].reads[registers->path]
			  : &registers->nobodys.reads[registers->path],
		1);
}

static void count_write(struct registers *registers, struct register_range *range)
{
	if (range)
		counter_add(&range->writes, 1);
	counter_add(range ? &registers->counts[range->kind].writes[registers->path]
			  : &registers->nobodys.writes[registers->path],
		1);
}

void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes)
{
	const struct register_map *map = &registers->maps[space];
	uint8_t *bytes = data;

	while (size_bytes > 0) {
		struct piece piece = first_piece(map, address, size_bytes);
		struct register_range *range = piece.range;
		uint64_t value = UINT64_MAX;

		count_read(registers, range);
		if (range && range->read)
			value = range->read(range->device, address - range->base, piece.size_bytes);
		memcpy(bytes, &value, piece.size_bytes);
		bytes += piece.size_bytes;
		address += piece.size_bytes;
		size_bytes -= piece.size_bytes;
	}
}

void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes)
{
	const struct register_map *map = &registers->maps[space];
	const uint8_t *bytes = data;

	while (size_bytes > 0) {
		struct piece piece = first_piece(map, address, size_bytes);
		struct register_range *range = piece.range;
		uint64_t value = 0;

		memcpy(&value, bytes, piece.size_bytes);
		count_write(registers, range);
		if (range && range->write)
			range->write(range->device, address - range->base, value, piece.size_bytes);
		bytes += piece.size_bytes;
		address += piece.size_bytes;
		size_bytes -= piece.size_bytes;
	}
}

/* ---- counts ---- */

void registers_come_by(struct registers *registers, enum exit_path path)
{
	registers->path = path;
}

const struct register_counts *registers_counts(
	const struct registers *registers, enum register_kind kind)
{
	return &registers->counts[kind];
}

const struct register_counts *registers_counts_of_nobody(const struct registers *registers)
{
	return &registers->nobodys;
}
