#include "disk/file_table.h"

#include <pthread.h>
#include <stdlib.h>

#define SLOTS 16384u

struct file_table {
	LIST_ENTRY(file_table) link;
	struct sidecore *sidecore;
	unsigned free_count;
	int free_slots[SLOTS]; /* a stack */
};

static LIST_HEAD(, file_table) tables = LIST_HEAD_INITIALIZER(tables);
static pthread_mutex_t tables_mutex = PTHREAD_MUTEX_INITIALIZER;

/* What is asked of the sidecore: only its own thread may register things with its io_uring. */
struct errand {
	struct sidecore *sidecore;
	int slot;
	int fd; /* -1: empty the slot */
	int result;
};

static void create_on_sidecore(void *argument)
{
	struct errand *errand = argument;

	errand->result = io_uring_register_files_sparse(sidecore_io_uring(errand->sidecore), SLOTS);
}

static void destroy_on_sidecore(void *argument)
{
	struct errand *errand = argument;

	errand->result = io_uring_unregister_files(sidecore_io_uring(errand->sidecore));
}

static void set_on_sidecore(void *argument)
{
	struct errand *errand = argument;

	errand->result = io_uring_register_files_update(
		sidecore_io_uring(errand->sidecore), (unsigned)errand->slot, &errand->fd, 1);
}

static struct file_table *table_find(struct sidecore *sidecore)
{
	struct file_table *table;

	LIST_FOREACH (table, &tables, link) {
		if (table->sidecore == sidecore)
			return table;
	}
	return NULL;
}

static struct file_table *table_create(struct sidecore *sidecore)
{
	struct errand errand = {.sidecore = sidecore};
	struct file_table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	sidecore_call(sidecore, create_on_sidecore, &errand);
	if (errand.result < 0) {
		free(table);
		return NULL;
	}
	table->sidecore = sidecore;
	table->free_count = SLOTS;
	for (unsigned i = 0; i < SLOTS; i++)
		table->free_slots[i] = (int)(SLOTS - 1 - i);
	LIST_INSERT_HEAD(&tables, table, link);
	return table;
}

static void table_destroy_unused(struct file_table *table)
{
	struct errand errand = {.sidecore = table->sidecore};

	if (table->free_count < SLOTS)
		return;
	sidecore_call(table->sidecore, destroy_on_sidecore, &errand);
	LIST_REMOVE(table, link);
	free(table);
}

static int table_add(struct file_table *table, int fd)
{
	struct errand errand = {.sidecore = table->sidecore, .fd = fd};

	if (!table->free_count)
		return FILE_TABLE_NO_SLOT;
	errand.slot = table->free_slots[table->free_count - 1];
	sidecore_call(table->sidecore, set_on_sidecore, &errand);
	if (errand.result < 0) {
		table_destroy_unused(table);
		return FILE_TABLE_NO_SLOT;
	}
	table->free_count--;
	return errand.slot;
}

int file_table_add(struct sidecore *sidecore, int fd)
{
	struct file_table *table;
	int slot = FILE_TABLE_NO_SLOT;

	pthread_mutex_lock(&tables_mutex);
	table = table_find(sidecore);
	if (!table)
		table = table_create(sidecore);
	if (table)
		slot = table_add(table, fd);
	pthread_mutex_unlock(&tables_mutex);
	return slot;
}

void file_table_remove(struct sidecore *sidecore, int slot)
{
	struct errand errand = {.sidecore = sidecore, .slot = slot, .fd = -1};
	struct file_table *table;

	if (slot == FILE_TABLE_NO_SLOT)
		return;
	pthread_mutex_lock(&tables_mutex);
	table = table_find(sidecore);
	sidecore_call(sidecore, set_on_sidecore, &errand);
	table->free_slots[table->free_count++] = slot;
	table_destroy_unused(table);
	pthread_mutex_unlock(&tables_mutex);
}
