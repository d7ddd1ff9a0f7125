#include "virtio/descriptor_chain.h"

#include <linux/virtio_ring.h>

_Static_assert(sizeof(struct vring_desc) == DESCRIPTOR_BYTES, "virtio 1.2, 2.7.5");
_Static_assert(sizeof(struct vring_packed_desc) == DESCRIPTOR_BYTES, "virtio 1.2, 2.8.13");

static const char *append_segment(
	struct descriptor_chain *chain, void *host, uint64_t size_bytes, bool is_writable)
{
	unsigned count = chain->readable_count + chain->writable_count;

	if (count == DESCRIPTOR_CHAIN_SEGMENTS_MAX)
		return "a chain has more segments than the device's limit";
	chain->segments[count] = (struct iovec){.iov_base = host, .iov_len = size_bytes};
	if (is_writable)
		chain->writable_count++;
	else
		chain->readable_count++;
	return NULL;
}

const char *descriptor_chain_append(struct descriptor_chain *chain, struct guest_memory *memory,
	const struct descriptor *descriptor)
{
	bool is_writable = descriptor->flags & VRING_DESC_F_WRITE;
	uint64_t address = descriptor->address;
	uint64_t left_bytes = descriptor->length;
	const char *problem = NULL;

	if (!is_writable && chain->writable_count)
		return "a readable buffer follows a writable one";
	while (left_bytes && !problem) {
		uint64_t size_bytes;
		void *host = guest_memory_span(memory, address, &size_bytes);

		if (!host)
			return "a buffer lies outside of the guest's memory";
		if (size_bytes > left_bytes)
			size_bytes = left_bytes;
		problem = append_segment(chain, host, size_bytes, is_writable);
		address += size_bytes;
		left_bytes -= size_bytes;
	}
	return problem;
}

const char *indirect_table_find(struct guest_memory *memory, const struct descriptor *descriptor,
	struct indirect_table *table)
{
	if (descriptor->flags & VRING_DESC_F_NEXT)
		return "an indirect descriptor has a next one";
	if (descriptor->length == 0 || descriptor->length % DESCRIPTOR_BYTES)
		return "an indirect table has an impossible size";
	table->entries = guest_memory_at(memory, descriptor->address, descriptor->length);
	table->count = descriptor->length / DESCRIPTOR_BYTES;
	return table->entries ? NULL : "an indirect table lies outside of the guest's memory";
}
