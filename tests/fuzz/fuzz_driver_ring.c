/*
 * The driver's side of a ring against a back end that does anything. The first bytes choose format, size
 * and chains; the rest is a script of what the driver asks for and of what the back end writes.
 *
 * Whatever that is, every chain is completed at most once and with no more bytes than it has, and the
 * driver's own count of descriptors adds up.
 */
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "virtio/driver_ring.h"

#define SEGMENTS_MAX 8u
#define CHAINS_MAX 4096u

static struct driver_ring ring;
static uint8_t *memory;
static size_t memory_bytes;
static uint32_t writable_bytes[CHAINS_MAX]; /* by token */
static uint8_t in_flight[CHAINS_MAX];	    /* by token: 1, or 0 */
static unsigned descriptors[CHAINS_MAX];    /* by token */
static unsigned descriptors_in_flight;
static unsigned added;
static uint16_t next_used; /* where a back end that behaves would go on */
static bool used_wrap;

/* ---- the driver ---- */

static void add(struct script *script)
{
	struct driver_segment segments[SEGMENTS_MAX];
	const unsigned readable = next_choice(script, 4);
	const unsigned writable = next_choice(script, 5);
	const unsigned count = readable + writable;

	if (added == CHAINS_MAX)
		return;
	writable_bytes[added] = 0;
	for (unsigned i = 0; i < count; i++) {
		segments[i] = (struct driver_segment){4096 * i, next_u8(script)};
		if (i >= readable)
			writable_bytes[added] += segments[i].size_bytes;
	}
	if (driver_ring_add(&ring, segments, readable, writable, (void *)(uintptr_t)added) < 0)
		return;
	in_flight[added] = 1;
	descriptors[added] = count > ring.config.indirect_above ? 1 : count;
	descriptors_in_flight += descriptors[added++];
}

static void publish(struct script *script)
{
	driver_ring_publish(&ring);
}

static void poll_ring(struct script *script)
{
	struct driver_completion done[16];
	const unsigned max = next_choice(script, 16) + 1;
	int count = driver_ring_poll(&ring, done, max);

	if (count > (int)max)
		abort();
	for (int i = 0; i < count; i++) {
		uintptr_t token = (uintptr_t)done[i].token;

		if (token >= added || !in_flight[token] ||
			done[i].size_bytes > writable_bytes[token])
			abort();
		in_flight[token] = 0;
		descriptors_in_flight -= descriptors[token];
	}
	/* A broken ring keeps back what it found before the nonsense. */
	if (count >= 0 && ring.free_descriptors + descriptors_in_flight != ring.config.size)
		abort();
}

static void ask_for_calls(struct script *script)
{
	driver_ring_enable_calls(&ring);
	driver_ring_disable_calls(&ring);
	(void)driver_ring_base(&ring);
}

/* ---- the back end ---- */

static void scribble(struct script *script)
{
	size_t where = next_u16(script) % (memory_bytes - 1);
	uint16_t value = next_u16(script);

	memcpy(memory + where, &value, sizeof value);
}

static void use_split(uint16_t id, uint32_t size_bytes)
{
	struct vring_used *used = ring.device_area;

	used->ring[used->idx & (ring.config.size - 1)] = (struct vring_used_elem){id, size_bytes};
	used->idx++;
}

static void use_packed(uint16_t id, uint32_t size_bytes, unsigned skip)
{
	struct vring_packed_desc *slot =
		(struct vring_packed_desc *)ring.descriptor_area + next_used;

	*slot = (struct vring_packed_desc){
		.id = id, .len = size_bytes, .flags = used_wrap ? 1u << 7 | 1u << 15 : 0};
	next_used = (uint16_t)(next_used + skip);
	if (next_used >= ring.config.size) {
		next_used = (uint16_t)(next_used - ring.config.size);
		used_wrap = !used_wrap;
	}
}

/* As it should be, or nearly so. */
static void use(struct script *script)
{
	const uint8_t id = next_u8(script);
	const uint8_t size_bytes = next_u8(script) / 16;
	const struct driver_chain *chain = &ring.chains[id % ring.config.size];

	if (ring.config.is_packed)
		use_packed(id, size_bytes, chain->descriptor_count ? chain->descriptor_count : 1);
	else
		use_split(id, size_bytes);
}

static void (*const operations[])(struct script *script) = {
	add,
	add,
	publish,
	poll_ring,
	ask_for_calls,
	scribble,
	use,
	use,
};

/* ---- one run ---- */

static void open_ring(struct script *script)
{
	const uint8_t options = next_u8(script);
	const uint8_t size = next_u8(script);
	const struct driver_ring_config config = {
		.size = options & 1 ? size % 64 + 1 : 1u << size % 7,
		.segments_max = next_choice(script, SEGMENTS_MAX) + 1,
		.indirect_above = options & 2 ? options >> 5 : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = options & 1,
		.has_event_index = options & 4,
	};

	memory_bytes = driver_ring_memory_bytes(&config);
	memory = aligned_alloc(DRIVER_RING_ALIGNMENT, memory_bytes);
	memset(memory, 0, memory_bytes);
	if (driver_ring_init(&ring, &config, memory, 0) < 0)
		ring.chains = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};

	added = descriptors_in_flight = next_used = 0;
	used_wrap = true;
	open_ring(&script);
	while (script.left && ring.chains)
		operations[next_choice(&script, sizeof operations / sizeof *operations)](&script);
	driver_ring_free(&ring);
	free(memory);
	return 0;
}
