#include "base/path_group.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

int path_give_to_group(
	const char *path, const char *asked, const char *by_default, struct error *error)
{
	const bool is_asked = asked && *asked;
	const char *name = is_asked ? asked : by_default;
	const struct group *group = getgrnam(name);

	if (!group && is_asked)
		return error_set(error, -ENOENT,
			"there is no group '%s'; make it with 'groupadd --system %s'", name, name);
	if (group && lchown(path, (uid_t)-1, group->gr_gid) < 0) {
		if (is_asked)
			return error_set(error, -errno,
				"cannot give %s to group '%s': %s; run as a member of it", path,
				name, strerror(errno));
		log_info("%s stays with its owner's group: %s", path, strerror(errno));
	}
	if (chmod(path, 0660) < 0)
		return error_set(error, -errno, "cannot restrict %s: %s", path, strerror(errno));
	return 0;
}
