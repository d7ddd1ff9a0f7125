/*
 * vhost-user on the wire: the constants and structures of the protocol, and nothing else.
 *
 * Names and numbers follow "Vhost-user Protocol" in QEMU's documentation (docs/interop/vhost-user).
 * All integers are in the host's byte order.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_PROTOCOL_H
#define SLUICE_VIRTIO_VHOST_USER_PROTOCOL_H

#include <stdint.h>

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_REQUESTS
};

/* What the back end may say to the front end, on the channel of SET_BACKEND_REQ_FD. */
enum vhost_user_backend_request {
	VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2,
};

enum vhost_user_protocol_feature {
	VHOST_USER_PROTOCOL_F_MQ = 0,
	VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
	VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
	VHOST_USER_PROTOCOL_F_NET_MTU = 4,
	VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
	VHOST_USER_PROTOCOL_F_CONFIG = 9,
	VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD = 10,
	VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
	VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
	VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
	VHOST_USER_PROTOCOL_F_STATUS = 16,
};

/* Feature bits that vhost adds to virtio's. */
#define VHOST_F_LOG_ALL 26
#define VHOST_USER_F_PROTOCOL_FEATURES 30

#define VHOST_USER_VERSION 1u
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_REPLY (1u << 2)
#define VHOST_USER_NEED_REPLY (1u << 3)

#define VHOST_USER_VRING_INDEX_MASK 0xffull
#define VHOST_USER_VRING_NO_FD (1ull << 8)
#define VHOST_USER_VRING_F_LOG 0u

#define VHOST_USER_FDS_MAX 8u
#define VHOST_USER_TABLE_REGIONS_MAX 8u
#define VHOST_USER_CONFIG_BYTES_MAX 256u

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size_bytes;
} __attribute__((packed));

struct vhost_user_memory_region {
	uint64_t guest_address;
	uint64_t size_bytes;
	uint64_t user_address;
	uint64_t mmap_offset;
};

struct vhost_user_memory_table {
	uint32_t region_count;
	uint32_t padding;
	struct vhost_user_memory_region regions[VHOST_USER_TABLE_REGIONS_MAX];
} __attribute__((packed));

struct vhost_user_one_region {
	uint64_t padding;
	struct vhost_user_memory_region region;
};

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t number;
};

struct vhost_user_vring_address {
	uint32_t index;
	uint32_t flags;
	uint64_t descriptor_address;
	uint64_t used_address;
	uint64_t available_address;
	uint64_t log_address;
};

struct vhost_user_config {
	uint32_t offset;
	uint32_t size_bytes;
	uint32_t flags;
	uint8_t payload[VHOST_USER_CONFIG_BYTES_MAX];
} __attribute__((packed));

struct vhost_user_log {
	uint64_t size_bytes;
	uint64_t offset_bytes;
};

struct vhost_user_inflight {
	uint64_t mmap_size_bytes;
	uint64_t mmap_offset_bytes;
	uint16_t queue_count;
	uint16_t queue_size;
	uint32_t padding; /* QEMU sends it, the specification does not have it */
};

union vhost_user_payload {
	uint64_t u64;
	struct vhost_user_memory_table memory_table;
	struct vhost_user_one_region one_region;
	struct vhost_user_vring_state vring_state;
	struct vhost_user_vring_address vring_address;
	struct vhost_user_config config;
	struct vhost_user_log log;
	struct vhost_user_inflight inflight;
};

#endif
