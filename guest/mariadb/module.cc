#include "server.h"

#include <map>

#include "module.h"
#include "variables.h"

static mysql_mutex_t mutex;
static struct channel *channel;
static int last_failure; /* so that a host that is away is told once, not per statement */

static std::map<std::string, bool>
	ends_untold; /* of prepared transactions: whether they are committed */

void module_init()
{
	mysql_mutex_init(0, &mutex, MY_MUTEX_INIT_FAST);
}

void module_end()
{
	if (channel)
		channel_close(channel);
	channel = nullptr;
	mysql_mutex_destroy(&mutex);
}

static void tell(int failure, const char *message)
{
	if (failure == last_failure)
		return;
	last_failure = failure;
	sql_print_error("Sluice: no storage module at %s: %s", sluice_channel_place(), message);
}

static int open_channel()
{
	char message[256] = "";
	int failure;

	if (channel)
		return 0;
	failure = channel_open(sluice_channel_place(), &channel, message, sizeof message);
	if (failure)
		tell(failure, message[0] ? message : strerror(-failure));
	return failure;
}

/* One that is not known has ended already: only the answer was lost. */
static int tell_ends(struct store_client *client)
{
	while (!ends_untold.empty()) {
		auto end = ends_untold.begin();
		struct store_bytes xid = {end->first.data(), end->first.size()};
		int status = end->second ? store_client_commit_xid(client, xid, true)
					 : store_client_rollback_xid(client, xid);

		if (status != STORE_OK && status != STORE_NOT_FOUND)
			return status;
		ends_untold.erase(end);
	}
	return 0;
}

void module_end_later(const std::string &xid, bool is_commit)
{
	mysql_mutex_lock(&mutex);
	ends_untold[xid] = is_commit;
	mysql_mutex_unlock(&mutex);
}

/* A Unix socket's channel ends with the process at its other end; a device's stays. A new one is for new connections. */
static int connect(struct store_client **client)
{
	int failure = open_channel();

	if (failure)
		return failure;
	failure = store_client_open(channel, client);
	if (failure == 0 && (failure = tell_ends(*client)))
		store_client_close(*client);
	if (failure == 0)
		last_failure = 0;
	else
		tell(failure, failure < 0 ? strerror(-failure) : store_status_text(failure));
	return failure < 0 ? failure : failure ? -EPROTO : 0;
}

int module_connect(struct store_client **client)
{
	int failure;

	mysql_mutex_lock(&mutex);
	failure = connect(client);
	mysql_mutex_unlock(&mutex);
	return failure;
}

bool module_counters(struct channel_counters *counters)
{
	bool is_open;

	memset(counters, 0, sizeof *counters);
	mysql_mutex_lock(&mutex);
	is_open = channel != nullptr;
	if (is_open)
		channel_counters(channel, counters);
	mysql_mutex_unlock(&mutex);
	return is_open;
}
