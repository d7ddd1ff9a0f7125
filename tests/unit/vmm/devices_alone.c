#include "devices_alone.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct registers {
	TAILQ_HEAD(, register_range) ranges;
};

struct registers *registers_create(void)
{
	struct registers *registers = calloc(1, sizeof *registers);

	if (registers)
		TAILQ_INIT(&registers->ranges);
	return registers;
}

void registers_destroy(struct registers *registers)
{
	free(registers);
}

static struct register_range *find(struct registers *registers, uint64_t address)
{
	struct register_range *range;

	TAILQ_FOREACH (range, &registers->ranges, link)
		if (address >= range->base && address - range->base < range->size_bytes)
			return range;
	return NULL;
}

int registers_add(struct registers *registers, struct register_range *range)
{
	if (find(registers, range->base) || find(registers, range->base + range->size_bytes - 1))
		return -EEXIST;
	TAILQ_INSERT_TAIL(&registers->ranges, range, link);
	return 0;
}

void registers_remove(struct registers *registers, struct register_range *range)
{
	TAILQ_REMOVE(&registers->ranges, range, link);
}

void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes)
{
	struct register_range *range = find(registers, address);
	uint64_t value = UINT64_MAX;

	if (range)
		value = range->read(range->device, address - range->base, size_bytes);
	memcpy(data, &value, size_bytes);
}

void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes)
{
	struct register_range *range = find(registers, address);
	uint64_t value = 0;

	memcpy(&value, data, size_bytes);
	if (range)
		range->write(range->device, address - range->base, value, size_bytes);
}

struct exit_service {
	struct sidecore *sidecore;
	pthread_mutex_t lock;
};

struct exit_service *service_alone_create(struct sidecore *sidecore)
{
	struct exit_service *service = calloc(1, sizeof *service);

	if (!service)
		abort();
	service->sidecore = sidecore;
	pthread_mutex_init(&service->lock, NULL);
	return service;
}

void service_alone_destroy(struct exit_service *service)
{
	pthread_mutex_destroy(&service->lock);
	free(service);
}

struct sidecore *exit_service_sidecore(struct exit_service *service)
{
	return service->sidecore;
}

void exit_service_enter(struct exit_service *service)
{
	pthread_mutex_lock(&service->lock);
}

void exit_service_leave(struct exit_service *service)
{
	pthread_mutex_unlock(&service->lock);
}

uint8_t port_in(struct exit_service *service, struct registers *registers, uint16_t port)
{
	uint8_t value;

	exit_service_enter(service);
	registers_read(registers, REGISTER_PORT, port, &value, sizeof value);
	exit_service_leave(service);
	return value;
}

void port_out(
	struct exit_service *service, struct registers *registers, uint16_t port, uint8_t value)
{
	exit_service_enter(service);
	registers_write(registers, REGISTER_PORT, port, &value, sizeof value);
	exit_service_leave(service);
}
