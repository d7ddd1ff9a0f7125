/*
 * The engine, as the server sees it when it loads it.
 */
#include "engine_status.h"
#include "ha_sluice.h"
#include "module.h"
#include "variables.h"

handlerton *sluice_engine;

static handler *create_handler(handlerton *engine, TABLE_SHARE *table, MEM_ROOT *memory)
{
	return new (memory) ha_sluice(engine, table);
}

static const char *const no_files[] = {nullptr};

static int init(void *engine)
{
	sluice_engine = static_cast<handlerton *>(engine);
	sluice_engine->create = create_handler;
	sluice_engine->flags = HTON_NO_FLAGS;
	sluice_engine->tablefile_extensions = const_cast<const char **>(no_files);
	sluice_engine->drop_database = drop_database;
	sluice_engine->show_status = engine_status_show;
	transaction_init(sluice_engine);
	module_init();
	return 0;
}

static int deinit(void *)
{
	module_end();
	return 0;
}

static struct st_mysql_storage_engine storage_engine = {MYSQL_HANDLERTON_INTERFACE_VERSION};

#pragma GCC visibility push(default) /* what the server looks for */
maria_declare_plugin(sluice){
	MYSQL_STORAGE_ENGINE_PLUGIN,
	&storage_engine,
	"SLUICE",
	"Sluice",
	"Tables that a storage module on the host keeps",
	PLUGIN_LICENSE_GPL,
	init,
	deinit,
	0x0001,
	engine_status_variables,
	sluice_system_variables,
	"0.1",
	MariaDB_PLUGIN_MATURITY_STABLE,
} maria_declare_plugin_end;
#pragma GCC visibility pop
