#include "variables.h"

static char *channel_place;

static MYSQL_SYSVAR_STR(channel, channel_place, PLUGIN_VAR_READONLY | PLUGIN_VAR_RQCMDARG,
	"Where the channel to the storage module is: unix:PATH of a socket, pci:ADDRESS of a "
	"device, or pci for the first one",
	nullptr, nullptr, "pci");

static MYSQL_THDVAR_ULONG(lock_wait_timeout, PLUGIN_VAR_RQCMDARG,
	"Seconds to wait for a row's lock before the statement fails; 0: not at all", nullptr,
	nullptr, 50, 0, 1000000, 1);

static MYSQL_THDVAR_BOOL(flush_at_commit, PLUGIN_VAR_OPCMDARG,
	"Whether a commit is on the device before it is answered", nullptr, nullptr, true);

static MYSQL_THDVAR_ULONG(bulk_bytes, PLUGIN_VAR_RQCMDARG,
	"Bytes of rows to gather before they are written, in statements that insert many; 0: each "
	"row by itself",
	nullptr, nullptr, 65536, 0, 1048576, 1);

struct st_mysql_sys_var *sluice_system_variables[] = {MYSQL_SYSVAR(channel),
	MYSQL_SYSVAR(lock_wait_timeout), MYSQL_SYSVAR(flush_at_commit), MYSQL_SYSVAR(bulk_bytes),
	nullptr};

const char *sluice_channel_place()
{
	return channel_place;
}

/* SELECT ... NOWAIT and WAIT n set the server's own variable for the statement. */
unsigned sluice_lock_wait_ms(THD *thd)
{
	ulonglong seconds = THDVAR(thd, lock_wait_timeout);

	if (thd->variables.lock_wait_timeout < seconds)
		seconds = thd->variables.lock_wait_timeout;
	return static_cast<unsigned>(seconds * 1000);
}

bool sluice_is_commit_durable(THD *thd)
{
	return THDVAR(thd, flush_at_commit);
}

size_t sluice_bulk_bytes(THD *thd)
{
	return THDVAR(thd, bulk_bytes);
}
