#include "offload/gate/gated_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Descriptors from here on have no account: their writes are paid for at once, and none is sequential. */
#define ACCOUNTS 16384

#define PAGE_BYTES 4096u

/* What is looked up in the page cache at once. */
#define SEEN_BYTES (1u << 20)
#define SEEN_PAGES (SEEN_BYTES / PAGE_BYTES + 1) /* it may begin and end within one */

/* Of a descriptor's number, whatever file it is: a file that is closed leaves its debt to the next. */
struct account {
	uint64_t unflushed_bytes; /* written to the page cache */
	uint64_t ends_bytes[2];	  /* where the last read and the last write ended */
};

static struct account accounts[ACCOUNTS];
static struct gate_client *current_gate;

void gated_file_set_gate(struct gate_client *gate)
{
	__atomic_store_n(&current_gate, gate, __ATOMIC_RELEASE);
}

bool gated_file_find(int fd, struct gated_file *file)
{
	const int error_before = errno;
	struct stat status;

	file->gate = __atomic_load_n(&current_gate, __ATOMIC_ACQUIRE);
	if (!file->gate)
		return false;
	file->fd = fd;
	file->flags = -1;
	if (fstat(fd, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)))
		file->flags = fcntl(fd, F_GETFL);
	file->is_directory = S_ISDIR(status.st_mode);
	file->size_bytes = status.st_size;
	errno = error_before;
	return file->flags >= 0;
}

/* ---- asking ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t bytes_max(const struct gated_file *file, enum gate_kind kind)
{
	const struct gate_region *region = file->gate->region;

	return kind == GATE_FLUSH ? region->flush_bytes_max : region->transfer_bytes_max;
}

/* Ask as often as it takes; returns the slot of the last one, which the I/O is done with. */
static int ask(
	const struct gated_file *file, enum gate_kind kind, bool is_sequential, uint64_t bytes)
{
	const uint64_t most = bytes_max(file, kind);

	for (; bytes > most; bytes -= most)
		gate_client_end(file->gate, gate_client_ask(file->gate, kind, is_sequential, most));
	return gate_client_ask(file->gate, kind, is_sequential, bytes);
}

/* A descriptor that moves on by itself mostly does so in order. */
static bool continues(
	const struct gated_file *file, bool is_write, off_t offset_bytes, uint64_t bytes)
{
	uint64_t *end, before;

	if (offset_bytes < 0)
		return true;
	if (file->fd >= ACCOUNTS)
		return false;
	end = &accounts[file->fd].ends_bytes[is_write];
	before = __atomic_exchange_n(end, (uint64_t)offset_bytes + bytes, __ATOMIC_RELAXED);
	return before == (uint64_t)offset_bytes;
}

/* ---- transfers ---- */

static ssize_t perform(const struct gated_file *file, bool is_write,
	const struct gated_transfer *transfer, int flags)
{
	return syscall(is_write ? SYS_pwritev2 : SYS_preadv2, file->fd, transfer->segments,
		transfer->segment_count, transfer->offset_bytes, 0L, transfer->flags | flags);
}

static uint64_t sum_bytes(const struct gated_transfer *transfer)
{
	uint64_t bytes = 0;

	for (int i = 0; i < transfer->segment_count; i++)
		bytes += transfer->segments[i].iov_len;
	return bytes;
}

/* @bytes: what the device has to move for it */
static ssize_t ask_and_perform(const struct gated_file *file, enum gate_kind kind,
	const struct gated_transfer *transfer, uint64_t bytes)
{
	bool is_write = kind != GATE_READ;
	bool is_sequential = continues(file, is_write, transfer->offset_bytes, sum_bytes(transfer));
	int slot = ask(file, kind, is_sequential, bytes);
	ssize_t done = perform(file, is_write, transfer, 0);

	gate_client_end(file->gate, slot);
	return done;
}

/* The part of a transfer of one segment that comes after the first `done` bytes, no longer than `most`. */
static struct gated_transfer part_of(
	const struct gated_transfer *transfer, size_t done, uint64_t most, struct iovec *segment)
{
	struct gated_transfer part = *transfer;

	*segment = (struct iovec){
		(char *)transfer->segments->iov_base + done,
		least(transfer->segments->iov_len - done, most),
	};
	part.segments = segment;
	part.segment_count = 1;
	if (part.offset_bytes >= 0)
		part.offset_bytes += (off_t)done;
	return part;
}

/* ---- reading ---- */

/* @bytes: at most SEEN_BYTES */
static uint64_t cached_bytes_here(
	const struct gated_file *file, uint64_t offset_bytes, uint64_t bytes)
{
	const uint64_t lead_bytes = offset_bytes % PAGE_BYTES;
	const uint64_t seen_bytes = lead_bytes + bytes;
	unsigned char is_cached[SEEN_PAGES];
	uint64_t pages = 0;
	void *seen = mmap(NULL, seen_bytes, PROT_NONE, MAP_SHARED, file->fd,
		(off_t)(offset_bytes - lead_bytes));

	if (seen == MAP_FAILED)
		return 0;
	if (mincore(seen, seen_bytes, is_cached) == 0)
		while (pages * PAGE_BYTES < seen_bytes && is_cached[pages] & 1)
			pages++;
	munmap(seen, seen_bytes);
	return pages ? least(pages * PAGE_BYTES - lead_bytes, bytes) : 0;
}

/*
 * How much of a part of the file the page cache has, from the part's start on. A read that must not wait (RWF_NOWAIT) tells, too, but
 * has the kernel start the I/O that it would wait for.
 */
static uint64_t cached_bytes(const struct gated_file *file, uint64_t offset_bytes, uint64_t bytes)
{
	uint64_t cached = 0, looked_at, found;

	do {
		looked_at = least(bytes - cached, SEEN_BYTES);
		found = cached_bytes_here(file, offset_bytes + cached, looked_at);
		cached += found;
	} while (found == looked_at && cached < bytes);
	return cached;
}

/* How much of it the device has to read. */
static uint64_t missing_bytes(const struct gated_file *file, const struct gated_transfer *transfer)
{
	const int error_before = errno;
	uint64_t bytes = sum_bytes(transfer);
	off_t start = transfer->offset_bytes;

	if (file->flags & O_DIRECT)
		return bytes;
	if (start < 0)
		start = lseek(file->fd, 0, SEEK_CUR);
	if (start >= file->size_bytes)
		return 0;
	bytes = least(bytes, (uint64_t)(file->size_bytes - start));
	bytes -= cached_bytes(file, (uint64_t)start, bytes);
	errno = error_before;
	return bytes;
}

static ssize_t read_piece(const struct gated_file *file, const struct gated_transfer *piece)
{
	uint64_t bytes = missing_bytes(file, piece);

	if (!bytes)
		return perform(file, false, piece, 0);
	return ask_and_perform(file, GATE_READ, piece, bytes);
}

static ssize_t write_piece(const struct gated_file *file, const struct gated_transfer *piece);

/* Piece by piece, until one is short. An error after the first piece is for the next call to find. */
static ssize_t transfer_pieces(const struct gated_file *file, const struct gated_transfer *transfer,
	uint64_t most,
	ssize_t (*do_piece)(const struct gated_file *, const struct gated_transfer *))
{
	const size_t bytes = transfer->segments->iov_len;
	struct gated_transfer piece;
	struct iovec segment;
	size_t done = 0;
	ssize_t result;

	do {
		piece = part_of(transfer, done, most, &segment);
		result = do_piece(file, &piece);
		if (result < 0)
			return done ? (ssize_t)done : result;
		done += (size_t)result;
	} while (done < bytes && (size_t)result == segment.iov_len);
	return (ssize_t)done;
}

ssize_t gated_file_read(const struct gated_file *file, const struct gated_transfer *transfer)
{
	if (transfer->segment_count == 1)
		return transfer_pieces(file, transfer, bytes_max(file, GATE_READ), read_piece);
	return read_piece(file, transfer);
}

/* ---- writing ---- */

/* The bytes are in the page cache; pay for those that a flush would have no room for. */
static void settle(const struct gated_file *file, uint64_t bytes)
{
	const uint64_t most = bytes_max(file, GATE_FLUSH);
	uint64_t *unflushed, before, left;

	if (file->fd >= ACCOUNTS) {
		gate_client_end(file->gate, ask(file, GATE_WRITE, true, bytes));
		return;
	}
	unflushed = &accounts[file->fd].unflushed_bytes;
	before = __atomic_load_n(unflushed, __ATOMIC_RELAXED);
	do
		left = (before + bytes) % most;
	while (!__atomic_compare_exchange_n(
		unflushed, &before, left, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	for (bytes += before; bytes >= most; bytes -= most)
		gate_client_end(file->gate, ask(file, GATE_WRITE, true, most));
}

static enum gate_kind kind_of_write(
	const struct gated_file *file, const struct gated_transfer *transfer)
{
	/* O_SYNC includes O_DSYNC. */
	return file->flags & O_DSYNC || transfer->flags & (RWF_DSYNC | RWF_SYNC) ? GATE_FLUSH
										 : GATE_WRITE;
}

static ssize_t write_piece(const struct gated_file *file, const struct gated_transfer *piece)
{
	return ask_and_perform(file, kind_of_write(file, piece), piece, sum_bytes(piece));
}

ssize_t gated_file_write(const struct gated_file *file, const struct gated_transfer *transfer)
{
	enum gate_kind kind = kind_of_write(file, transfer);
	ssize_t done;

	if (kind == GATE_WRITE && !(file->flags & O_DIRECT)) {
		done = perform(file, true, transfer, 0);
		if (done > 0)
			settle(file, (uint64_t)done);
		return done;
	}
	if (transfer->segment_count == 1)
		return transfer_pieces(file, transfer, bytes_max(file, kind), write_piece);
	return ask_and_perform(file, kind, transfer, sum_bytes(transfer));
}

/* ---- flushing ---- */

/* Take up to `most` of what the descriptor owes; returns how much that was. */
static uint64_t take_unflushed(const struct gated_file *file, uint64_t most)
{
	uint64_t *unflushed, before, taken;

	if (file->fd >= ACCOUNTS)
		return 0;
	unflushed = &accounts[file->fd].unflushed_bytes;
	before = __atomic_load_n(unflushed, __ATOMIC_RELAXED);
	do
		taken = least(before, most);
	while (!__atomic_compare_exchange_n(
		unflushed, &before, before - taken, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return taken;
}

int gated_file_flush(const struct gated_file *file, long number)
{
	int slot = ask(file, GATE_FLUSH, true, take_unflushed(file, UINT64_MAX));
	int result = (int)syscall(number, file->fd);

	gate_client_end(file->gate, slot);
	return result;
}

int gated_file_write_back(
	const struct gated_file *file, off_t offset_bytes, off_t bytes, unsigned flags)
{
	uint64_t taken = 0;
	int slot = GATE_NO_SLOT, result;

	if (flags & SYNC_FILE_RANGE_WRITE)
		taken = take_unflushed(file, bytes > 0 ? (uint64_t)bytes : UINT64_MAX);
	if (taken)
		slot = ask(file, GATE_WRITE, true, taken);
	result = (int)syscall(SYS_sync_file_range, file->fd, offset_bytes, bytes, flags);
	gate_client_end(file->gate, slot);
	return result;
}

/* ---- prefetching ---- */

int gated_file_prefetch(const struct gated_file *file, off_t offset_bytes, off_t bytes)
{
	off_t left = file->size_bytes - offset_bytes;
	int slot = GATE_NO_SLOT, result;

	if (bytes > 0 && left > bytes)
		left = bytes;
	if (offset_bytes >= 0 && left > 0)
		slot = ask(file, GATE_READ, true, (uint64_t)left);
	result = (int)syscall(SYS_fadvise64, file->fd, offset_bytes, bytes, POSIX_FADV_WILLNEED);
	gate_client_end(file->gate, slot);
	return result;
}
