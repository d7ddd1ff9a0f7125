#include "engine_status.h"

#include "module.h"
#include "session.h"
#include "variables.h"

/* ---- SHOW STATUS ---- */

struct engine_numbers {
	struct channel_counters channel;
	ulonglong commits, rollbacks, deadlocks, lock_timeouts, lost;
	bool is_open;
};

static void read_numbers(struct engine_numbers *numbers)
{
	numbers->is_open = module_counters(&numbers->channel);
	numbers->commits = session_counters.commits;
	numbers->rollbacks = session_counters.rollbacks;
	numbers->deadlocks = session_counters.deadlocks;
	numbers->lock_timeouts = session_counters.lock_timeouts;
	numbers->lost = session_counters.lost;
}

/* The values stay with the thread that asks: others do so, too. */
static int show_numbers(MYSQL_THD, struct st_mysql_show_var *variable, void *,
	struct system_status_var *, enum enum_var_type)
{
	static thread_local struct engine_numbers numbers;
	static thread_local struct st_mysql_show_var items[] = {
		{"channel_open", &numbers.is_open, SHOW_BOOL},
		{"requests", &numbers.channel.requests, SHOW_ULONGLONG},
		{"doorbells", &numbers.channel.doorbells, SHOW_ULONGLONG},
		{"sleeps", &numbers.channel.sleeps, SHOW_ULONGLONG},
		{"bytes_sent", &numbers.channel.bytes_sent, SHOW_ULONGLONG},
		{"bytes_received", &numbers.channel.bytes_received, SHOW_ULONGLONG},
		{"commits", &numbers.commits, SHOW_ULONGLONG},
		{"rollbacks", &numbers.rollbacks, SHOW_ULONGLONG},
		{"deadlocks", &numbers.deadlocks, SHOW_ULONGLONG},
		{"lock_timeouts", &numbers.lock_timeouts, SHOW_ULONGLONG},
		{"connections_lost", &numbers.lost, SHOW_ULONGLONG},
		{nullptr, nullptr, SHOW_UNDEF},
	};

	read_numbers(&numbers);
	variable->type = SHOW_ARRAY;
	variable->value = items;
	return 0;
}

struct st_mysql_show_var engine_status_variables[] = {
	{"Sluice", reinterpret_cast<void *>(show_numbers), SHOW_FUNC},
	{nullptr, nullptr, SHOW_UNDEF},
};

/* ---- SHOW ENGINE SLUICE STATUS ---- */

static std::string describe_engine(const struct store_client *client)
{
	struct engine_numbers numbers;
	char text[1024];

	read_numbers(&numbers);
	snprintf(text, sizeof text,
		"-- this server --\nchannel: %s\nprotocol version: %u\nmodule's start: "
		"%016llx\ncommits: %llu\nrollbacks: %llu\n"
		"deadlocks: %llu\nlock time-outs: %llu\nconnections lost: %llu\nround trips: "
		"%llu\ndoorbells: %llu\n"
		"bytes sent: %llu\nbytes received: %llu\n-- the module --\n",
		sluice_channel_place(), STORE_PROTOCOL_VERSION,
		static_cast<ulonglong>(store_client_instance(client)), numbers.commits,
		numbers.rollbacks, numbers.deadlocks, numbers.lock_timeouts, numbers.lost,
		static_cast<ulonglong>(numbers.channel.requests),
		static_cast<ulonglong>(numbers.channel.doorbells),
		static_cast<ulonglong>(numbers.channel.bytes_sent),
		static_cast<ulonglong>(numbers.channel.bytes_received));
	return text;
}

static int read_status(struct session *session, std::string *text)
{
	struct store_bytes from_module;
	int error = session_connect(session);

	if (!error)
		error = session_error(session, store_client_status(session->client, &from_module));
	if (!error) {
		*text = describe_engine(session->client);
		text->append(static_cast<const char *>(from_module.data), from_module.bytes);
	}
	return error;
}

bool engine_status_show(handlerton *, THD *thd, stat_print_fn *print, enum ha_stat_type what)
{
	struct session *session = session_of(thd);
	std::string text;
	int error;

	if (what != HA_ENGINE_STATUS)
		return false;
	error = session ? read_status(session, &text) : HA_ERR_OUT_OF_MEM;
	if (error) {
		thd->raise_error_printf(
			ER_GET_ERRMSG, error, session ? session->failure.c_str() : "", "SLUICE");
		return true;
	}
	return print(thd, STRING_WITH_LEN("SLUICE"), STRING_WITH_LEN(""), text.data(), text.size());
}
