#include "sandbox/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

struct identity {
	bool is_changing;
	char name[256];
	uid_t user;
	gid_t group;
};

static void fill_in(struct identity *identity, const struct passwd *entry)
{
	identity->is_changing = entry->pw_uid != 0;
	identity->user = entry->pw_uid;
	identity->group = entry->pw_gid;
	snprintf(identity->name, sizeof identity->name, "%s", entry->pw_name);
}

/* While files can still be read. */
static int find_user(
	const struct sandbox_config *config, struct identity *identity, struct error *error)
{
	const char *wanted = config->user;
	bool is_asked_for = wanted && *wanted;
	const struct passwd *entry;

	*identity = (struct identity){.is_changing = false};
	if (geteuid() != 0 && is_asked_for)
		return error_set(error, -EPERM,
			"user: only root can run %s as another user; run as '%s', or drop 'user'",
			config->subject, wanted);
	if (geteuid() != 0)
		return 0;
	entry = getpwnam(is_asked_for ? wanted : config->user_default);
	if (entry)
		fill_in(identity, entry);
	else if (is_asked_for)
		return error_set(error, -ENOENT,
			"user: there is no user '%s'; make it with 'useradd --system %s'", wanted,
			wanted);
	return 0;
}

int sandbox_give(const struct sandbox_config *config, const char *path, struct error *error)
{
	struct identity identity;
	int result = find_user(config, &identity, error);

	if (result < 0 || !identity.is_changing || chown(path, identity.user, identity.group) == 0)
		return result;
	return error_set(error, -errno, "cannot give %s to user '%s': %s", path, identity.name,
		strerror(errno));
}

/* Sockets in the file system, back ends' among them, are reached from any network namespace. */
static int leave_networks(const char *subject, struct error *error)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWIPC) == 0)
		return 0;
	if (errno == EPERM || errno == EINVAL) {
		log_warning("%s keeps the host's networks: %s", subject, strerror(errno));
		return 0;
	}
	return error_set(error, -errno, "cannot leave the host's networks: %s", strerror(errno));
}

/* With another user goes the signal for when the parent ends (prctl(2)), and with that, the end of the process. */
static int keep_following(int signal, pid_t parent, struct error *error)
{
	if (prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) < 0)
		return error_set(
			error, -errno, "cannot follow who started it: %s", strerror(errno));
	return signal && getppid() != parent ? error_set(error, -ESRCH, "who started it has ended")
					     : 0;
}

static int become(const struct identity *identity, struct error *error)
{
	const pid_t parent = getppid();
	int signal = 0;

	if (!identity->is_changing)
		return 0;
	prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
	if (initgroups(identity->name, identity->group) == 0 &&
		setresgid(identity->group, identity->group, identity->group) == 0 &&
		setresuid(identity->user, identity->user, identity->user) == 0)
		return keep_following(signal, parent, error);
	return error_set(
		error, -errno, "cannot become user '%s': %s", identity->name, strerror(errno));
}

/* While there is the capability that this takes: another user has none. */
static void bound_capabilities(void)
{
	for (unsigned long capability = 0; capability <= CAP_LAST_CAP; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

static int drop_capabilities(struct error *error)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct none[2] = {{0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) == 0)
		return 0;
	return error_set(error, -errno, "cannot give capabilities up: %s", strerror(errno));
}

/* What a tenant keeps in memory belongs neither in a core file nor to whoever else runs as this user. */
static int forbid_looking(struct error *error)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
		return 0;
	return error_set(error, -errno, "cannot forbid core files: %s", strerror(errno));
}

static int forbid_new_privileges(struct error *error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return 0;
	return error_set(error, -errno, "cannot forbid new privileges: %s", strerror(errno));
}

/* Nobody has asked for that. */
static void warn_of_root(const struct sandbox_config *config, const struct identity *identity)
{
	if (geteuid() == 0 && !*identity->name)
		log_warning("%s runs as root: there is no user '%s'; make it with 'useradd "
			    "--system %s'",
			config->subject, config->user_default, config->user_default);
}

int sandbox_enter(const struct sandbox_config *config, struct error *error)
{
	struct identity identity;
	int result = find_user(config, &identity, error);

	if (result == 0) {
		warn_of_root(config, &identity);
		result = leave_networks(config->subject, error);
	}
	if (result == 0) {
		bound_capabilities();
		result = become(&identity, error);
	}
	if (result == 0)
		result = drop_capabilities(error);
	if (result == 0)
		result = forbid_looking(error);
	if (result == 0)
		result = forbid_new_privileges(error);
	if (result == 0)
		result = sandbox_shut_files(config, error);
	if (result == 0)
		result = sandbox_filter_calls(config, error);
	return result < 0 ? error_prefix(error, result, "sandbox: ") : 0;
}
