#include "disk/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/counter.h"
#include "disk/gate_private.h"

#define BLOCK_BYTES 4096u /* what is cut is cut at these, for the sake of O_DIRECT */

/* ---- creating and destroying ---- */

/*
 * The most that a flush may write back and still be no dearer than the largest request: what is dearer cannot be
 * guaranteed.
 */
static uint64_t flush_bytes_max(const struct pool_config *config, uint64_t transfer_bytes_max)
{
	const struct slo_price *price = &config->cost.write[0];
	double units = pool_admission(config).largest_request_units - config->cost.flush_units -
		       price->units_per_operation;
	double bytes = price->units_per_byte > 0 ? units / price->units_per_byte
						 : (double)transfer_bytes_max;

	if (bytes >= (double)transfer_bytes_max)
		return transfer_bytes_max;
	return bytes > BLOCK_BYTES ? (uint64_t)bytes / BLOCK_BYTES * BLOCK_BYTES : BLOCK_BYTES;
}

static void set_up(struct gate *gate, const struct pool *pool, const struct gate_config *config)
{
	uint64_t bytes = pool->config.largest_request_bytes / BLOCK_BYTES * BLOCK_BYTES;

	gate->config = *config;
	gate->transfer_bytes_max = bytes ? bytes : BLOCK_BYTES;
	gate->flush_bytes_max = flush_bytes_max(&pool->config, gate->transfer_bytes_max);
}

int gate_create(struct pool *pool, const struct gate_config *config, struct gate **gate,
	struct error *error)
{
	struct gate *created = calloc(1, sizeof *created);
	int result = -ENOMEM;

	if (!created) {
		error_set(error, result, "no memory");
		goto fail;
	}
	set_up(created, pool, config);
	result = slo_check(&config->slo, error);
	if (result == 0)
		result = pool_join(pool, &created->member, &created->config.slo, error);
	if (result < 0)
		goto fail;
	*gate = created;
	return 0;

fail:
	free(created);
	return error_prefix(error, result, "module '%s': ", config->name);
}

void gate_destroy(struct gate *gate)
{
	pool_leave(&gate->member);
	free(gate);
}

int gate_set_slo(struct gate *gate, const struct slo *slo, struct error *error)
{
	int result = pool_member_set_slo(&gate->member, slo, error);

	return result < 0 ? error_prefix(error, result, "module '%s': ", gate->config.name) : 0;
}

/* ---- opening and closing ---- */

static int make_region(struct gate *gate)
{
	int fd = memfd_create("sluice-gate", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *memory;

	gate->descriptors.region = fd;
	if (fd < 0 || ftruncate(fd, sizeof *gate->region) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	memory = mmap(NULL, sizeof *gate->region, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	gate->region = memory;
	gate->region->version = GATE_VERSION;
	gate->region->slot_count = GATE_SLOTS;
	gate->region->transfer_bytes_max = gate->transfer_bytes_max;
	gate->region->flush_bytes_max = gate->flush_bytes_max;
	return 0;
}

/* Those that wake are read by threads that have polled; none may block on one that another has read. */
static int make_bells(struct gate_descriptors *descriptors)
{
	descriptors->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (descriptors->doorbell < 0)
		return -errno;
	for (unsigned i = 0; i < GATE_SLOTS; i++) {
		descriptors->wake[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (descriptors->wake[i] < 0)
			return -errno;
	}
	return 0;
}

static void close_one(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void let_go(struct gate *gate)
{
	if (gate->region)
		munmap(gate->region, sizeof *gate->region);
	gate->region = NULL;
	close_one(gate->descriptors.region);
	close_one(gate->descriptors.doorbell);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		close_one(gate->descriptors.wake[i]);
}

int gate_open(struct gate *gate, struct gate_descriptors *descriptors, struct error *error)
{
	int result;

	memset(&gate->descriptors, -1, sizeof gate->descriptors);
	result = make_region(gate);
	if (result == 0)
		result = make_bells(&gate->descriptors);
	if (result < 0) {
		let_go(gate);
		return error_set(error, result, "module '%s': cannot make its gate: %s",
			gate->config.name, strerror(-result));
	}
	sem_init(&gate->closed, 0, 0);
	sidecore_call(gate->member.pool->sidecore, gate_slots_open, gate);
	*descriptors = gate->descriptors;
	return 0;
}

void gate_close(struct gate *gate)
{
	sidecore_call(gate->member.pool->sidecore, gate_slots_close, gate);
	while (sem_wait(&gate->closed) < 0)
		;
	sem_destroy(&gate->closed);
	let_go(gate);
}

/* ---- looking ---- */

const struct gate_config *gate_config(const struct gate *gate)
{
	return &gate->config;
}

struct pool *gate_pool(const struct gate *gate)
{
	return gate->member.pool;
}

void gate_statistics(const struct gate *gate, struct gate_statistics *statistics)
{
	*statistics = (struct gate_statistics){
		.reads = counter_get(&gate->reads),
		.writes = counter_get(&gate->writes),
		.flushes = counter_get(&gate->flushes),
		.read_bytes = counter_get(&gate->read_bytes),
		.write_bytes = counter_get(&gate->write_bytes),
		.overdue = counter_get(&gate->overdue),
		.in_flight = counter_get(&gate->in_flight),
	};
}

const struct tier_audit *gate_audit(const struct gate *gate, unsigned tier)
{
	return flow_audit(gate->member.flow, tier);
}
