/* Where an etcd is, and how to talk to it: what sluice.yaml says, checked. */
#ifndef SLUICE_CLUSTER_ETCD_CONFIG_H
#define SLUICE_CLUSTER_ETCD_CONFIG_H

#include <limits.h>
#include <stdint.h>

#define ETCD_ENDPOINTS_MAX 16u
#define ETCD_ENDPOINT_BYTES 256u
#define ETCD_USER_BYTES 256u
#define ETCD_PREFIX_BYTES 64u
#define ETCD_KEY_BYTES_MAX 255u /* of those that we put */

struct etcd_config {
	/* "http://HOST:PORT", without a / */
	char endpoints[ETCD_ENDPOINTS_MAX][ETCD_ENDPOINT_BYTES];
	unsigned endpoint_count;
	char prefix[ETCD_PREFIX_BYTES]; /* of all keys: begins with a /, and ends without */
	uint64_t lease_s;
	char ca[PATH_MAX]; /* this, and each below: empty if not given */
	char cert[PATH_MAX];
	char cert_key[PATH_MAX];
	char user[ETCD_USER_BYTES];
	char password_file[PATH_MAX];
};

#endif
