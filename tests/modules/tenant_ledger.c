/*
 * A tenant's database work, which can be checked: tenant_ledger WHERE. It makes a ledger in a store, then does what lines of its input say,
 * and answers each with a line: "run SECONDS" with how many transactions it has done, "check" with "right", or what is not.
 *
 * Theory of operation. A transaction locks two accounts, moves an amount from one to the other, moves both in an index, adds an entry
 * that says so, and commits durably. So accounts follow from entries, entries are as many as were acknowledged, and the index follows from
 * accounts: what is lost, torn, doubled or of somebody else does not add up.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/store_client.h"

#define ACCOUNTS 64u
#define AMOUNT_FIRST 1000000u
#define CLERKS 2u
#define LOCK_TIMEOUT_MS 60000u

enum { SPACE_ACCOUNTS, SPACE_BY_AMOUNT, SPACE_ENTRIES, SPACES };

/* Numbers are big-endian, so that they are in order. */
struct by_amount_key {
	uint32_t amount, account;
};

struct by_amount_value {
	uint32_t key_bytes, account;
};

struct entry_key {
	uint32_t clerk, number;
};

struct entry {
	uint32_t from, to, amount;
};

struct clerk {
	pthread_t thread;
	uint32_t index;
	struct store_client *client;
	struct store_batch batch;
	uint64_t random;
	uint32_t acknowledged; /* entries, ever */
	uint64_t until_s;
};

static struct channel *channel;
static struct store_handle table;
static struct clerk clerks[CLERKS];
static const char *trouble;

static int fail(const char *what)
{
	__atomic_store_n(&trouble, what, __ATOMIC_RELAXED);
	return -EINVAL;
}

static uint64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

#define AS_BYTES(object) ((struct store_bytes){&(object), sizeof(object)})

/* ---- a transaction ---- */

static int set_account(struct clerk *clerk, uint32_t account, uint32_t before, uint32_t after)
{
	const uint32_t key = htobe32(account), value = htobe32(after);
	const struct by_amount_key old = {htobe32(before), key}, new = {value, key};
	const struct by_amount_value row = {htole32(sizeof key), key};
	int result = store_batch_put(&clerk->batch, SPACE_ACCOUNTS, AS_BYTES(key), AS_BYTES(value));

	if (result == 0)
		result = store_batch_delete(&clerk->batch, SPACE_BY_AMOUNT, AS_BYTES(old));
	if (result == 0)
		result = store_batch_put(
			&clerk->batch, SPACE_BY_AMOUNT, AS_BYTES(new), AS_BYTES(row));
	return result;
}

static int read_account(struct clerk *clerk, uint32_t account, uint32_t *amount)
{
	const uint32_t key = htobe32(account);
	struct store_bytes value;
	int result = store_client_get(
		clerk->client, &table, SPACE_ACCOUNTS, AS_BYTES(key), STORE_EXCLUSIVE, &value);

	if (result == 0 && value.bytes != sizeof *amount)
		return fail("an account's size is wrong");
	if (result == 0) {
		memcpy(amount, value.data, sizeof *amount);
		*amount = be32toh(*amount);
	}
	return result;
}

static int write_transfer(
	struct clerk *clerk, const struct entry *entry, uint32_t from_amount, uint32_t to_amount)
{
	const struct entry_key key = {htobe32(clerk->index), htobe32(clerk->acknowledged)};
	int result = store_batch_begin(&clerk->batch, clerk->client, &table);

	if (result == 0)
		result = set_account(clerk, entry->from, from_amount, from_amount - entry->amount);
	if (result == 0)
		result = set_account(clerk, entry->to, to_amount, to_amount + entry->amount);
	if (result == 0)
		result = store_batch_insert(
			&clerk->batch, SPACE_ENTRIES, AS_BYTES(key), AS_BYTES(*entry));
	if (result == 0)
		result = store_client_write(clerk->client, &clerk->batch, 0, NULL);
	return result < 0 ? result : result ? fail("a write fails") : 0;
}

static uint32_t choose(struct clerk *clerk, uint32_t count)
{
	clerk->random = clerk->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(clerk->random >> 33) % count;
}

/* Locks are taken in order, so that there is no deadlock. */
static int transfer(struct clerk *clerk)
{
	struct entry entry = {.from = choose(clerk, ACCOUNTS - 1), .amount = 1};
	uint32_t from_amount, to_amount;
	int result;

	entry.to = entry.from + 1 + choose(clerk, ACCOUNTS - entry.from - 1);
	result = read_account(clerk, entry.from, &from_amount);
	if (result == 0)
		result = read_account(clerk, entry.to, &to_amount);
	if (result == 0)
		result = write_transfer(clerk, &entry, from_amount, to_amount);
	if (result == 0)
		result = store_client_commit(clerk->client, true);
	if (result == 0)
		clerk->acknowledged++;
	return result;
}

static void *work(void *argument)
{
	struct clerk *clerk = argument;

	while (!trouble && now_s() < clerk->until_s) {
		int result = transfer(clerk);

		if (result < 0)
			fail(strerrorname_np(-result));
		else if (result > 0)
			fail(store_status_text(result));
	}
	return NULL;
}

/* ---- orders ---- */

static void run(unsigned seconds)
{
	uint32_t before = 0, after = 0;

	for (unsigned i = 0; i < CLERKS; i++) {
		before += clerks[i].acknowledged;
		clerks[i].until_s = now_s() + seconds;
		pthread_create(&clerks[i].thread, NULL, work, &clerks[i]);
	}
	for (unsigned i = 0; i < CLERKS; i++) {
		pthread_join(clerks[i].thread, NULL);
		after += clerks[i].acknowledged;
	}
	if (trouble)
		printf("trouble: %s\n", trouble);
	else
		printf("%u\n", after - before);
}

/* What a scan of a space finds; `visit` returns what is wrong, or NULL. */
static void scan(unsigned space, unsigned flags,
	const char *(*visit)(const struct store_cursor_row *row, void *context), void *context)
{
	struct store_cursor cursor = {.at = 0};
	const struct store_range range = {.handle = table, .space = space, .flags = flags};
	struct store_cursor_row row;
	int result = store_cursor_begin(&cursor, &range);

	while (result == 0 && !trouble) {
		result = store_cursor_next(&cursor, clerks[0].client, &row);
		if (result == 0)
			trouble = visit(&row, context);
	}
	if (!trouble && result != STORE_NOT_FOUND)
		fail("a scan fails");
	store_cursor_end(&cursor);
}

struct sums {
	uint32_t entries[CLERKS];
	uint32_t amounts[ACCOUNTS], accounts, indexed;
};

static const char *visit_entry(const struct store_cursor_row *row, void *context)
{
	struct sums *sums = context;
	struct entry_key key;
	struct entry entry;

	if (row->key.bytes != sizeof key || row->value.bytes != sizeof entry)
		return "an entry's size is wrong";
	memcpy(&key, row->key.data, sizeof key);
	memcpy(&entry, row->value.data, sizeof entry);
	if (be32toh(key.clerk) >= CLERKS || entry.from >= ACCOUNTS || entry.to >= ACCOUNTS)
		return "an entry is nobody's";
	if (be32toh(key.number) != sums->entries[be32toh(key.clerk)]++)
		return "an entry is missing";
	sums->amounts[entry.from] -= entry.amount;
	sums->amounts[entry.to] += entry.amount;
	return NULL;
}

static const char *visit_account(const struct store_cursor_row *row, void *context)
{
	struct sums *sums = context;
	const uint32_t key = htobe32(sums->accounts),
		       value = htobe32(sums->amounts[sums->accounts]);

	if (sums->accounts == ACCOUNTS || row->key.bytes != sizeof key ||
		row->value.bytes != sizeof value || memcmp(row->key.data, &key, sizeof key) != 0)
		return "accounts are not those that were made";
	if (memcmp(row->value.data, &value, sizeof value) != 0)
		return "an account is not what its entries make it";
	sums->accounts++;
	return NULL;
}

static const char *visit_index(const struct store_cursor_row *row, void *context)
{
	struct sums *sums = context;
	struct by_amount_key key;

	if (row->key.bytes != sizeof key || row->row.bytes != sizeof key.amount)
		return "the index has what no row has";
	memcpy(&key, row->key.data, sizeof key);
	if (be32toh(key.account) >= ACCOUNTS ||
		be32toh(key.amount) != sums->amounts[be32toh(key.account)])
		return "the index does not agree with its rows";
	sums->indexed++;
	return NULL;
}

static void check(unsigned unused)
{
	struct sums sums = {.accounts = 0};

	for (unsigned i = 0; i < ACCOUNTS; i++)
		sums.amounts[i] = AMOUNT_FIRST;
	scan(SPACE_ENTRIES, 0, visit_entry, &sums);
	for (unsigned i = 0; i < CLERKS && !trouble; i++)
		if (sums.entries[i] != clerks[i].acknowledged)
			fail("there are not as many entries as were acknowledged");
	if (!trouble)
		scan(SPACE_ACCOUNTS, 0, visit_account, &sums);
	if (!trouble)
		scan(SPACE_BY_AMOUNT, STORE_WITH_ROWS, visit_index, &sums);
	if (!trouble && (sums.accounts != ACCOUNTS || sums.indexed != ACCOUNTS))
		fail("rows are missing");
	store_client_rollback(clerks[0].client);
	puts(trouble ? trouble : "right");
}

/* ---- beginning ---- */

static int make_table(void)
{
	struct clerk *first = &clerks[0];
	int result = store_client_table_create(first->client, (struct store_bytes){"ledger", 6},
		(struct store_bytes){NULL, 0}, SPACES, 1, &table);

	if (result == 0)
		result = store_batch_begin(&first->batch, first->client, &table);
	for (uint32_t i = 0; i < ACCOUNTS && result == 0; i++)
		result = set_account(first, i, 0, AMOUNT_FIRST);
	if (result == 0)
		result = store_client_write(first->client, &first->batch, 0, NULL);
	return result == 0 ? store_client_commit(first->client, true) : result;
}

static int begin(const char *where)
{
	char message[256];
	int result = channel_open(where, &channel, message, sizeof message);

	for (uint32_t i = 0; i < CLERKS && result == 0; i++) {
		clerks[i] = (struct clerk){.index = i, .random = i};
		result = store_client_open(channel, &clerks[i].client);
		if (result == 0)
			store_client_set_lock_timeout(clerks[i].client, LOCK_TIMEOUT_MS);
	}
	return result == 0 ? make_table() : result;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		void (*obey)(unsigned number);
	} orders[] = {{"run", run}, {"check", check}};
	char word[16];
	unsigned number;

	if (argc != 2 || begin(argv[1]) != 0)
		return EXIT_FAILURE;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (scanf("%15s %u", word, &number) == 2)
		for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
			if (strcmp(word, orders[i].word) == 0)
				orders[i].obey(number);
	return EXIT_SUCCESS;
}
