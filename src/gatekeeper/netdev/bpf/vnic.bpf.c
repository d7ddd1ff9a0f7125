/*
 * On each vNIC's netdev, as the host sees it: what goes out of it is what the guest receives, and
 * is counted per source; what comes in is what the guest sends, and is dropped if it says that it is
 * somebody else's, counted per destination, and told its class.
 *
 * What a guest sends under no name, since it has none yet or as it is not IP, could be held back by nobody:
 * its receiver does not know whom to tell. So there may be little of it.
 *
 * Licence: Dual MIT/GPL, for the kernel wants to know.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "vnic.h"

char gatekeeper_license[] SEC("license") = "Dual MIT/GPL";

/* The class, on the uplink, of what the guest sends to nobody in particular. Set by the agent. */
__u32 class_of_vnic;

struct counts {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, VNIC_PEERS_MAX);
	__type(key, struct vnic_address);
	__type(value, struct vnic_count);
};

struct counts received SEC(".maps"); /* by source */
struct counts sent SEC(".maps");     /* by destination */

/* The classes of peers that have a limit of their own. */
struct classes {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VNIC_PEERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct vnic_address);
	__type(value, __u32);
};

struct classes destinations SEC(".maps"); /* of what the guest sends, on the uplink */
struct classes sources SEC(".maps");	  /* of what it receives, on this netdev */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * VNIC_ADDRESSES_MAX);
	__type(key, struct vnic_address);
	__type(value, __u8);
} own_addresses SEC(".maps");

/* What the guest has sent under no name in the window of time that is the latest. */
struct nameless {
	__u64 window;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nameless);
} nameless SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, VNIC_STATES);
	__type(key, __u32);
	__type(value, __u64);
} state SEC(".maps");

/* As an IPv4-mapped IPv6 address. */
static void map_ipv4(struct vnic_address *address, __be32 ipv4)
{
	__builtin_memset(address, 0, sizeof *address);
	address->bytes[10] = address->bytes[11] = 0xff;
	__builtin_memcpy(address->bytes + 12, &ipv4, sizeof ipv4);
}

static bool is_ip(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) || skb->protocol == bpf_htons(ETH_P_IPV6);
}

/* Finds the source or the destination; false, and all zeroes, if this is neither IPv4 nor IPv6. */
static bool find_address(struct __sk_buff *skb, bool is_source, struct vnic_address *address)
{
	__u32 offset;
	__be32 ipv4;

	__builtin_memset(address, 0, sizeof *address);
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		offset = is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
		if (bpf_skb_load_bytes(skb, ETH_HLEN + offset, &ipv4, sizeof ipv4) < 0)
			return false;
		map_ipv4(address, ipv4);
		return true;
	}
	if (skb->protocol != bpf_htons(ETH_P_IPV6))
		return false;
	offset = is_source ? offsetof(struct ipv6hdr, saddr) : offsetof(struct ipv6hdr, daddr);
	return bpf_skb_load_bytes(skb, ETH_HLEN + offset, address, sizeof *address) == 0;
}

/* ---- counting ---- */

static void count(void *counts, const struct vnic_address *peer, __u64 bytes, __u64 packets)
{
	static const struct vnic_count zero;
	struct vnic_count *known = bpf_map_lookup_elem(counts, peer);

	if (!known) {
		bpf_map_update_elem(counts, peer, &zero, BPF_NOEXIST);
		known = bpf_map_lookup_elem(counts, peer);
	}
	if (!known)
		return;
	__sync_fetch_and_add(&known->bytes, bytes);
	__sync_fetch_and_add(&known->packets, packets);
}

static __u8 byte_at(struct __sk_buff *skb, __u32 offset)
{
	__u8 byte = 0;

	bpf_skb_load_bytes(skb, offset, &byte, sizeof byte);
	return byte;
}

/* The headers that each segment of a packet has; of IPv6, without extensions. */
static __u32 header_bytes(struct __sk_buff *skb)
{
	__u32 bytes = ETH_HLEN;
	__u8 protocol;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		protocol = byte_at(skb, bytes + offsetof(struct iphdr, protocol));
		bytes += (byte_at(skb, bytes) & 0xf) * 4;
	} else {
		protocol = byte_at(skb, bytes + offsetof(struct ipv6hdr, nexthdr));
		bytes += sizeof(struct ipv6hdr);
	}
	if (protocol == IPPROTO_TCP)
		return bytes + (byte_at(skb, bytes + 12) >> 4) * 4;
	return bytes + 8; /* of UDP */
}

/* On the way in, the kernel has not yet worked out what a packet to be segmented will be on the wire. */
static void count_sent(struct __sk_buff *skb, const struct vnic_address *destination)
{
	__u32 headers = skb->gso_size ? header_bytes(skb) : 0;
	__u32 segments = 1;

	if (headers && headers < skb->len)
		segments = (skb->len - headers + skb->gso_size - 1) / skb->gso_size;
	count(&sent, destination, skb->len + (__u64)(segments - 1) * headers, segments);
}

/* ---- whose it is ---- */

static __u64 *state_of(__u32 index)
{
	return bpf_map_lookup_elem(&state, &index);
}

/* What a guest sends from before it knows its address, or to its neighbours only. */
static bool is_nobodys(const struct vnic_address *source)
{
	const __u32 *words = source->words;

	if (words[0] == 0 && words[1] == 0 && words[2] == bpf_htonl(0xffff))
		return words[3] == 0 || (bpf_ntohl(words[3]) >> 16) == 0xa9fe;
	if ((bpf_ntohl(words[0]) >> 22) == 0xfe80 >> 6)
		return true;
	return (words[0] | words[1] | words[2] | words[3]) == 0;
}

/* Processors that begin a window at once may let a few frames more pass. */
static bool is_too_much(__u32 bytes)
{
	__u64 window = bpf_ktime_get_ns() >> VNIC_NAMELESS_WINDOW_SHIFT;
	__u32 only = 0;
	struct nameless *sent = bpf_map_lookup_elem(&nameless, &only);

	if (!sent)
		return false;
	if (sent->window != window) {
		sent->window = window;
		sent->bytes = 0;
	}
	return __sync_fetch_and_add(&sent->bytes, bytes) + bytes > VNIC_NAMELESS_BYTES;
}

static bool is_forged(struct __sk_buff *skb)
{
	const __u64 *is_bound = state_of(VNIC_IS_BOUND);
	struct vnic_address source;

	if (!is_bound || !*is_bound)
		return false;
	if (!is_ip(skb))
		return is_too_much(skb->len);
	if (!find_address(skb, true, &source))
		return true; /* cut off before its source */
	if (bpf_map_lookup_elem(&own_addresses, &source))
		return false;
	return !is_nobodys(&source) || is_too_much(skb->len);
}

/*
 * The class of the vNIC that the frame goes to by its hardware address: a network that forwards by those
 * delivers it there, whatever else it says.
 */
static __u32 *class_of_hardware(struct __sk_buff *skb)
{
	struct vnic_address address = {.bytes = {0xff}};

	if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_dest),
		    address.bytes + sizeof address - ETH_ALEN, ETH_ALEN) < 0)
		return NULL;
	return bpf_map_lookup_elem(&destinations, &address);
}

/* ---- the programs ---- */

SEC("tc")
int to_guest(struct __sk_buff *skb)
{
	struct vnic_address source;
	__u32 *class;

	skb->priority = 0; /* what it was on the sender's way out means nothing here */
	find_address(skb, true, &source); /* what has none fills the link as well */
	class = bpf_map_lookup_elem(&sources, &source);
	if (class)
		skb->priority = *class;
	/* Of a packet to be segmented, wire_len has the headers of every segment. */
	count(&received, &source, skb->wire_len, skb->gso_segs ? skb->gso_segs : 1);
	return TC_ACT_UNSPEC;
}

/* What is dropped first is neither counted as sent nor given a class. */
SEC("tc")
int from_guest(struct __sk_buff *skb)
{
	struct vnic_address destination;
	__u32 *class = NULL;
	__u64 *forged;

	if (is_forged(skb)) {
		forged = state_of(VNIC_FORGED);
		if (forged)
			__sync_fetch_and_add(forged, 1);
		return TC_ACT_SHOT;
	}
	class = class_of_hardware(skb);
	if (find_address(skb, false, &destination)) {
		if (!class)
			class = bpf_map_lookup_elem(&destinations, &destination);
		count_sent(skb, &destination);
	}
	skb->priority = class ? *class : class_of_vnic;
	return TC_ACT_UNSPEC;
}
