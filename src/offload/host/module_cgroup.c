#include "offload/host/module_cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/log.h"

#define MOUNT "/sys/fs/cgroup"
#define DAEMON_LEAF "/daemon"
#define CPU_PERIOD_US 100000u
/* Threads: a worker for each connection of the socket and of the region, and the module's own. */
#define THREADS_PER_CONNECTION 2u
#define THREADS_MAX_BASE 256u

const char *module_cgroup_mount(void)
{
	struct statfs status;

	return statfs(MOUNT, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC ? MOUNT : NULL;
}

int module_cgroup_own(char own[PATH_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];
	int result = -ENOENT;

	if (!file)
		return -errno;
	while (result < 0 && fgets(line, sizeof line, file))
		if (strncmp(line, "0::/", 4) == 0) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(own, PATH_MAX, "%s", line + 3);
			result = 0;
		}
	fclose(file);
	return result;
}

static int join(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s%s", directory, name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_file(
	const char *directory, const char *name, const char *text, struct error *error)
{
	char path[PATH_MAX];
	int fd, result = join(path, directory, name);

	if (result < 0)
		return error_set(error, result, "the path of a cgroup is too long");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "cannot open %s: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0)
		result = error_set(
			error, -errno, "cannot write '%s' to %s: %s", text, path, strerror(errno));
	close(fd);
	return result;
}

static int make_directory(const char *path, struct error *error)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	return error_set(error, -errno, "cannot make cgroup %s: %s", path, strerror(errno));
}

/* systemd says so on the directory: the second is from before version 251. */
static bool is_delegated(const char *path)
{
	char value[2];

	return getxattr(path, "user.delegate", value, sizeof value) > 0 ||
	       getxattr(path, "trusted.delegate", value, sizeof value) > 0;
}

/* sluiced may be in its leaf already. */
static void leave_leaf(char *path)
{
	size_t length = strlen(path), tail = strlen(DAEMON_LEAF);

	if (length > tail && strcmp(path + length - tail, DAEMON_LEAF) == 0)
		path[length - tail] = '\0';
}

static int divide(const char *base, struct error *error)
{
	struct error ignored;

	/* Few units delegate this one, and limits of memory and processors do not need it. */
	write_file(base, "/cgroup.subtree_control", "+pids", &ignored);
	return write_file(base, "/cgroup.subtree_control", "+cpu +memory", error);
}

static int divide_own(const char *base, struct error *error)
{
	char leaf[PATH_MAX];
	int result = join(leaf, base, DAEMON_LEAF);

	if (result == 0)
		result = make_directory(leaf, error);
	if (result == 0)
		result = write_file(leaf, "/cgroup.procs", "0", error);
	return result < 0 ? result : divide(base, error);
}

static int divide_root(const char *mount, const char *base, struct error *error)
{
	int result = divide(mount, error);

	if (result == 0)
		result = make_directory(base, error);
	return result < 0 ? result : divide(base, error);
}

static int find_base(const char *mount, const char *own, char base[PATH_MAX], struct error *error)
{
	int result = join(base, mount, own);

	if (result < 0)
		return error_set(error, result, "the path of a cgroup is too long");
	leave_leaf(base);
	if (is_delegated(base))
		return divide_own(base, error);
	if (geteuid() != 0)
		return error_set(error, -EPERM,
			"sluiced may not make cgroups; set 'Delegate=yes' in its unit");
	join(base, mount, "/sluice");
	return divide_root(mount, base, error);
}

static void limit_threads(const char *path, const struct module_description *description)
{
	struct error error;
	char text[64];

	snprintf(text, sizeof text, "%u",
		THREADS_MAX_BASE + THREADS_PER_CONNECTION * description->connections);
	if (write_file(path, "/pids.max", text, &error) < 0)
		log_info("module '%s': its threads have no bound: %s", description->name,
			error.message);
}

static int limit(
	const char *path, const struct module_description *description, struct error *error)
{
	char text[64];
	int result = 0;

	limit_threads(path, description);
	if (description->memory_bytes_max) {
		snprintf(text, sizeof text, "%llu",
			(unsigned long long)description->memory_bytes_max);
		result = write_file(path, "/memory.max", text, error);
	}
	if (result == 0 && description->cpu_thousandths_max) {
		snprintf(text, sizeof text, "%llu %u",
			(unsigned long long)description->cpu_thousandths_max * CPU_PERIOD_US / 1000,
			CPU_PERIOD_US);
		result = write_file(path, "/cpu.max", text, error);
	}
	return result;
}

int module_cgroup_make(const char *mount, const char *own,
	const struct module_description *description, char path[PATH_MAX], struct error *error)
{
	char base[PATH_MAX], name[MODULE_NAME_BYTES + 16];
	int result = find_base(mount, own, base, error);

	if (result < 0)
		return result;
	snprintf(name, sizeof name, "/module-%s", description->name);
	result = join(path, base, name);
	if (result == 0)
		result = make_directory(path, error);
	return result < 0 ? result : limit(path, description, error);
}

int module_cgroup_open(const char *path)
{
	char file[PATH_MAX];
	int fd = join(file, path, "/cgroup.procs");

	if (fd == 0)
		fd = open(file, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int make_own(
	const struct module_description *description, char path[PATH_MAX], struct error *error)
{
	const char *mount = module_cgroup_mount();
	char own[PATH_MAX];
	int result;

	if (!mount)
		return error_set(error, -ENOSYS, "/sys/fs/cgroup is not cgroup v2");
	result = module_cgroup_own(own);
	if (result < 0)
		return error_set(error, result, "/proc/self/cgroup lacks cgroup v2");
	return module_cgroup_make(mount, own, description, path, error);
}

int module_cgroup_make_own(const struct module_description *description, char path[PATH_MAX])
{
	struct error error;
	int result = make_own(description, path, &error);

	if (result >= 0)
		return module_cgroup_open(path);
	if (description->memory_bytes_max || description->cpu_thousandths_max)
		log_warning("module '%s': runs without its limits of memory and CPU: %s",
			description->name, error.message);
	return result;
}

void module_cgroup_remove(const char *path)
{
	rmdir(path);
}
