/*
 * On each vNIC's netdev, as the host sees it: what goes out of it is what the guest receives, and
 * is counted per source; what comes in is what the guest sends, and is told its class.
 *
 * Licence: Dual MIT/GPL, for the kernel wants to know.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
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

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, VNIC_PEERS_MAX);
	__type(key, struct vnic_address);
	__type(value, struct vnic_count);
} received SEC(".maps");

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

/* As an IPv4-mapped IPv6 address. */
static void map_ipv4(struct vnic_address *address, __be32 ipv4)
{
	__builtin_memset(address, 0, sizeof *address);
	address->bytes[10] = address->bytes[11] = 0xff;
	__builtin_memcpy(address->bytes + 12, &ipv4, sizeof ipv4);
}

/* Finds the source or the destination; false if this is neither IPv4 nor IPv6. */
static bool find_address(struct __sk_buff *skb, bool is_source, struct vnic_address *address)
{
	__u32 offset;
	__be32 ipv4;

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

static void count(struct vnic_count *count, struct __sk_buff *skb)
{
	/* Of a packet to be segmented, wire_len has the headers of every segment. */
	__sync_fetch_and_add(&count->bytes, skb->wire_len);
	__sync_fetch_and_add(&count->packets, skb->gso_segs ? skb->gso_segs : 1);
}

SEC("tc")
int to_guest(struct __sk_buff *skb)
{
	static const struct vnic_count zero;
	struct vnic_address source;
	struct vnic_count *known;
	__u32 *class;

	skb->priority = 0; /* what it was on the sender's way out means nothing here */
	if (!find_address(skb, true, &source))
		return TC_ACT_UNSPEC;
	class = bpf_map_lookup_elem(&sources, &source);
	if (class)
		skb->priority = *class;
	known = bpf_map_lookup_elem(&received, &source);
	if (!known) {
		bpf_map_update_elem(&received, &source, &zero, BPF_NOEXIST);
		known = bpf_map_lookup_elem(&received, &source);
	}
	if (known)
		count(known, skb);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int from_guest(struct __sk_buff *skb)
{
	struct vnic_address destination;
	__u32 *class = NULL;

	if (find_address(skb, false, &destination))
		class = bpf_map_lookup_elem(&destinations, &destination);
	skb->priority = class ? *class : class_of_vnic;
	return TC_ACT_UNSPEC;
}
