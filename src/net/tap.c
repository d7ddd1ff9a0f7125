#include "net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/log.h"

/* Linux 6.2; older headers lack them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define NOTE_PATH_BYTES 4096

/* ---- asking about netdevs ---- */

static int ask_netdev(const char *name, unsigned long question, struct ifreq *request)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	snprintf(request->ifr_name, sizeof request->ifr_name, "%s", name);
	result = ioctl(fd, question, request) < 0 ? -errno : 0;
	close(fd);
	return result;
}

bool tap_is_gone(const struct tap *tap)
{
	return if_nametoindex(tap->config.name) == 0;
}

bool tap_is_replaced(const struct tap *tap)
{
	unsigned now = if_nametoindex(tap->config.name);

	return now && now != tap->ifindex;
}

bool tap_is_up(const struct tap *tap)
{
	struct ifreq request = {0};

	return tap->ifindex && if_nametoindex(tap->config.name) == tap->ifindex &&
	       ask_netdev(tap->config.name, SIOCGIFFLAGS, &request) == 0 &&
	       request.ifr_flags & IFF_UP;
}

unsigned tap_mtu(const struct tap *tap)
{
	struct ifreq request = {0};

	if (ask_netdev(tap->config.name, SIOCGIFMTU, &request) < 0)
		return 0;
	return (unsigned)request.ifr_mtu;
}

/* ---- which taps were made here ---- */

static void note_path(const struct tap *tap, char path[NOTE_PATH_BYTES])
{
	snprintf(path, NOTE_PATH_BYTES, "%s/%s.tap", tap->config.state_directory, tap->config.name);
}

static unsigned noted_index(const struct tap *tap)
{
	char path[NOTE_PATH_BYTES];
	unsigned index = 0;
	FILE *file;

	note_path(tap, path);
	file = fopen(path, "re");
	if (!file)
		return 0;
	/* Anything else than a number is no note of ours. */
	if (fscanf(file, "%u", &index) !=
		1) // NOLINT(cert-err34-c): what overflows matches no netdev
		index = 0;
	fclose(file);
	return index;
}

static int write_note(const struct tap *tap, struct error *error)
{
	char path[NOTE_PATH_BYTES];
	FILE *file;

	note_path(tap, path);
	file = fopen(path, "we");
	if (!file)
		return error_set(error, -errno, "cannot note in %s that it was made here: %s", path,
			strerror(errno));
	fprintf(file, "%u\n", tap->ifindex);
	if (fclose(file) == 0)
		return 0;
	return error_set(error, -errno, "cannot note in %s that it was made here: %s", path,
		strerror(errno));
}

static void remove_note(const struct tap *tap)
{
	char path[NOTE_PATH_BYTES];

	note_path(tap, path);
	unlink(path);
}

/* ---- opening ---- */

static int attach(const struct tap *tap, int fd, short flags)
{
	struct ifreq request = {.ifr_flags = flags};

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", tap->config.name);
	return ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int refuse(const struct tap *tap, int result, struct error *error)
{
	const char *name = tap->config.name;

	if (result == -EPERM)
		return error_set(error, result,
			"tap %s may not be used by this user; make it with `ip tuntap add %s mode "
			"tap multi_queue user USER`, or run sluiced as root",
			name, name);
	if (result == -EBUSY)
		return error_set(error, result,
			"tap %s is in use by another process; give it its own", name);
	if (result == -EINVAL && tap->config.queue_count > 1)
		return error_set(error, result,
			"netdev %s is no tap with %u queues; make it with `ip tuntap add %s mode "
			"tap multi_queue`",
			name, tap->config.queue_count, name);
	if (result == -EINVAL)
		return error_set(error, result,
			"netdev %s is no tap; name one, or one that does not exist, to be made",
			name);
	return error_set(error, result, "tap %s cannot be opened: %s", name, strerror(-result));
}

static int open_queue(struct tap *tap, unsigned index, struct error *error)
{
	const short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int result;

	if (fd < 0)
		return error_set(error, -errno,
			"/dev/net/tun cannot be opened: %s; it is needed for taps",
			strerror(errno));
	result = attach(tap, fd, (short)(flags | IFF_MULTI_QUEUE));
	/* One that others have made may have one queue only, which is enough for one. */
	if (result == -EINVAL && tap->config.queue_count == 1)
		result = attach(tap, fd, flags);
	if (result < 0) {
		close(fd);
		return refuse(tap, result, error);
	}
	tap->fds[index] = fd;
	tap->is_attached[index] = true;
	return 0;
}

static int open_queues(struct tap *tap, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < tap->config.queue_count && result == 0; i++)
		result = open_queue(tap, i, error);
	return result;
}

/* ---- making ---- */

static int set_mtu(const struct tap *tap, struct error *error)
{
	struct ifreq request = {.ifr_mtu = (int)tap->config.mtu};
	int result;

	if (!tap->config.mtu)
		return 0;
	result = ask_netdev(tap->config.name, SIOCSIFMTU, &request);
	if (result < 0)
		return error_set(error, result, "tap %s cannot have an MTU of %u: %s",
			tap->config.name, tap->config.mtu, strerror(-result));
	return 0;
}

static int bring_up(const struct tap *tap, struct error *error)
{
	struct ifreq request = {0};
	int result = ask_netdev(tap->config.name, SIOCGIFFLAGS, &request);

	request.ifr_flags |= IFF_UP;
	if (result == 0)
		result = ask_netdev(tap->config.name, SIOCSIFFLAGS, &request);
	if (result < 0)
		return error_set(error, result, "tap %s cannot be brought up: %s", tap->config.name,
			strerror(-result));
	return 0;
}

/* Ours: as the configuration says. */
static int furnish(const struct tap *tap, struct error *error)
{
	int result = 0;

	if (tap->is_new) {
		result = write_note(tap, error);
		if (result == 0 && ioctl(tap->fds[0], TUNSETPERSIST, 1) < 0)
			result = error_set(error, -errno, "tap %s cannot be kept: %s",
				tap->config.name, strerror(errno));
	}
	if (result == 0)
		result = set_mtu(tap, error);
	return result < 0 || !tap->is_new ? result : bring_up(tap, error);
}

/* Somebody else's: as it is. */
static int check_mtu(const struct tap *tap, struct error *error)
{
	unsigned mtu = tap_mtu(tap);

	if (mtu >= tap->config.mtu)
		return 0;
	return error_set(error, -EINVAL,
		"tap %s has an MTU of %u, and the guest is to be told %u; say `ip link set %s mtu "
		"%u`",
		tap->config.name, mtu, tap->config.mtu, tap->config.name, tap->config.mtu);
}

/* ---- what the kernel can do ---- */

static void find_offload(struct tap *tap)
{
	static const unsigned steps[] = {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
		TUN_F_UFO, TUN_F_USO4 | TUN_F_USO6};

	tap->offload = 0;
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
		if (ioctl(tap->fds[0], TUNSETOFFLOAD, tap->offload | steps[i]) == 0)
			tap->offload |= steps[i];
}

/*
 * A read must end at once if there is no packet. Kernels that know RWF_NOWAIT for taps take a
 * nonblocking descriptor for one that wants to be waited for. Of the others some have it the other
 * way round, and some let a read wait in any case.
 */
static void find_io_flags(struct tap *tap)
{
	char byte;
	struct iovec segment = {&byte, 1};

	tap->io_flags = preadv2(tap->fds[0], &segment, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP
				? 0
				: RWF_NOWAIT;
}

int tap_open(struct tap *tap, const struct tap_config *config, struct error *error)
{
	int result;

	*tap = (struct tap){.config = *config, .is_new = if_nametoindex(config->name) == 0};
	for (unsigned i = 0; i < TAP_QUEUES_MAX; i++)
		tap->fds[i] = TAP_NO_FD;
	result = open_queues(tap, error);
	if (result < 0)
		goto fail;
	tap->ifindex = if_nametoindex(config->name);
	tap->is_made_here = tap->is_new || noted_index(tap) == tap->ifindex;
	result = tap->is_made_here ? furnish(tap, error) : check_mtu(tap, error);
	if (result < 0)
		goto fail;
	for (unsigned i = 1; i < config->queue_count; i++)
		tap_attach_queue(tap, i, false);
	find_offload(tap);
	find_io_flags(tap);
	return 0;

fail:
	tap_close(tap, tap->is_new);
	return result;
}

void tap_close(struct tap *tap, bool removes)
{
	if (tap->fds[0] == TAP_NO_FD)
		return;
	if (removes && tap->is_made_here && !tap_is_replaced(tap)) {
		ioctl(tap->fds[0], TUNSETPERSIST, 0);
		remove_note(tap);
	}
	for (unsigned i = 0; i < TAP_QUEUES_MAX; i++) {
		if (tap->fds[i] != TAP_NO_FD)
			close(tap->fds[i]);
		tap->fds[i] = TAP_NO_FD;
	}
	tap->ifindex = 0;
}

void tap_attach_queue(struct tap *tap, unsigned index, bool is_attached)
{
	struct ifreq request = {.ifr_flags = is_attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

	if (index == 0 || tap->fds[index] == TAP_NO_FD || tap->is_attached[index] == is_attached)
		return;
	/* With a tap that has gone, its queues have. */
	if (tap_is_gone(tap) || tap_is_replaced(tap))
		return;
	if (ioctl(tap->fds[index], TUNSETQUEUE, &request) < 0) {
		log_warning("tap %s: queue %u cannot be %s: %s", tap->config.name, index,
			is_attached ? "attached" : "detached", strerror(errno));
		return;
	}
	tap->is_attached[index] = is_attached;
}

void tap_set_offload(const struct tap *tap, unsigned offload, int header_bytes)
{
	const int is_little_endian = 1;

	if (tap->fds[0] == TAP_NO_FD)
		return;
	if (ioctl(tap->fds[0], TUNSETVNETHDRSZ, &header_bytes) < 0 ||
		ioctl(tap->fds[0], TUNSETVNETLE, &is_little_endian) < 0 ||
		ioctl(tap->fds[0], TUNSETOFFLOAD, offload) < 0)
		log_warning("tap %s: offload cannot be set: %s", tap->config.name, strerror(errno));
}
