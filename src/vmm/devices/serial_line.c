#include "vmm/devices/serial_line.h"

#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/container.h"
#include "base/log.h"

#define OUTPUT_BYTES 4096u
#define INPUT_BYTES 64u
#define LINGER_S 1

/* Input or output: an operation of one kind at a time, tried again when the descriptor is ready. */
struct direction {
	struct serial_line *line;
	const char *name;
	int fd;
	short ready_events;
	void (*transfer)(struct serial_line *line); /* begins an operation */
	void (*finish)(struct serial_line *line, unsigned count);
	struct sidecore_operation operation, cancellation;
	bool is_busy; /* an operation is under way, or about to be */
	bool is_over; /* end of file, an error, or no descriptor */
};

struct serial_line {
	struct serial_line_config config;
	struct sidecore *sidecore;

	struct direction output;
	uint8_t output_bytes[2][OUTPUT_BYTES];
	unsigned filling; /* which of them is being filled; the other is being written */
	unsigned filled_bytes;
	unsigned writing_bytes, written_bytes;

	struct direction input;
	uint8_t input_bytes[INPUT_BYTES];
	unsigned input_count, input_taken;

	/* Its end. */
	unsigned cancelling;
	bool is_stopping, is_cut_off;
	sem_t stopped;
};

/* ---- both ---- */

static void complete_transfer(struct sidecore_operation *operation, int result, unsigned cqe_flags);
static void complete_wait(struct sidecore_operation *operation, int result, unsigned cqe_flags);

static void transfer(struct direction *direction)
{
	direction->operation.complete = complete_transfer;
	direction->transfer(direction->line);
}

static void wait_until_ready(struct direction *direction)
{
	direction->operation.complete = complete_wait;
	io_uring_prep_poll_add(sidecore_prepare(direction->line->sidecore, &direction->operation),
		direction->fd, (unsigned)direction->ready_events);
}

static void end(struct direction *direction, int result)
{
	if (result < 0 && result != -ECANCELED)
		log_warning("the console's %s ends: %s", direction->name, strerror(-result));
	direction->is_over = true;
	direction->finish(direction->line, 0);
}

static bool must_end(const struct direction *direction)
{
	const struct serial_line *line = direction->line;

	return line->is_cut_off || (line->is_stopping && direction == &line->input);
}

static void stop_if_idle(struct serial_line *line)
{
	if (line->is_stopping && !line->output.is_busy && !line->input.is_busy &&
		line->cancelling == 0)
		sem_post(&line->stopped);
}

/* To be called between exit_service_enter and the operation's consequences. */
static void leave(struct serial_line *line)
{
	if (!line->is_stopping)
		line->config.changed(line->config.context);
	exit_service_leave(line->config.service);
	stop_if_idle(line);
}

static void complete_transfer(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct direction *direction = container_of(operation, struct direction, operation);

	exit_service_enter(direction->line->config.service);
	if (must_end(direction))
		end(direction, -ECANCELED);
	else if (result == -EAGAIN || result == -EINTR)
		wait_until_ready(direction);
	else if (result <= 0)
		end(direction, result);
	else
		direction->finish(direction->line, (unsigned)result);
	leave(direction->line);
}

static void complete_wait(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct direction *direction = container_of(operation, struct direction, operation);

	exit_service_enter(direction->line->config.service);
	if (must_end(direction))
		end(direction, -ECANCELED);
	else if (result < 0)
		end(direction, result);
	else
		transfer(direction);
	leave(direction->line);
}

/* ---- output ---- */

static void write_some(struct serial_line *line)
{
	io_uring_prep_write(sidecore_prepare(line->sidecore, &line->output.operation),
		line->output.fd, line->output_bytes[!line->filling] + line->written_bytes,
		line->writing_bytes - line->written_bytes, -1);
}

/* Write what has gathered, if anything has and anybody takes it. */
static void write_next_buffer(struct serial_line *line)
{
	if (line->output.is_over)
		line->filled_bytes = 0;
	line->filling = !line->filling;
	line->writing_bytes = line->filled_bytes;
	line->written_bytes = 0;
	line->filled_bytes = 0;
	line->output.is_busy = line->writing_bytes > 0;
	if (line->output.is_busy)
		transfer(&line->output);
}

static void finish_write(struct serial_line *line, unsigned count)
{
	line->written_bytes += count;
	if (line->written_bytes < line->writing_bytes && !line->output.is_over)
		transfer(&line->output);
	else
		write_next_buffer(line);
}

static void begin_write(void *argument)
{
	struct serial_line *line = argument;

	exit_service_enter(line->config.service);
	write_next_buffer(line);
	exit_service_leave(line->config.service);
}

unsigned serial_line_room(const struct serial_line *line)
{
	return OUTPUT_BYTES - line->filled_bytes;
}

bool serial_line_is_sending(const struct serial_line *line)
{
	return line->output.is_busy;
}

void serial_line_send(struct serial_line *line, uint8_t byte)
{
	if (line->output.is_over || line->filled_bytes == OUTPUT_BYTES)
		return;
	line->output_bytes[line->filling][line->filled_bytes++] = byte;
	if (line->output.is_busy)
		return;
	line->output.is_busy = true;
	sidecore_post(line->sidecore, begin_write, line);
}

/* ---- input ---- */

static void read_some(struct serial_line *line)
{
	io_uring_prep_read(sidecore_prepare(line->sidecore, &line->input.operation), line->input.fd,
		line->input_bytes, INPUT_BYTES, -1);
}

static void finish_read(struct serial_line *line, unsigned count)
{
	line->input.is_busy = false;
	line->input_taken = 0;
	line->input_count = count;
}

static void begin_read(void *argument)
{
	struct serial_line *line = argument;

	exit_service_enter(line->config.service);
	if (line->is_stopping)
		line->input.is_busy = false;
	else /* a read of a terminal would keep a thread of the kernel's waiting */
		wait_until_ready(&line->input);
	exit_service_leave(line->config.service);
	stop_if_idle(line);
}

static void want_input(struct serial_line *line)
{
	if (line->input.is_over)
		return;
	line->input.is_busy = true;
	sidecore_post(line->sidecore, begin_read, line);
}

bool serial_line_has_input(const struct serial_line *line)
{
	return line->input_taken < line->input_count;
}

uint8_t serial_line_receive(struct serial_line *line)
{
	uint8_t byte = line->input_bytes[line->input_taken++];

	if (line->input_taken == line->input_count)
		want_input(line);
	return byte;
}

/* ---- beginning and end ---- */

static void init(struct serial_line *line)
{
	line->output = (struct direction){
		.line = line,
		.name = "output",
		.fd = line->config.output_fd,
		.ready_events = POLLOUT,
		.transfer = write_some,
		.finish = finish_write,
		.is_over = line->config.output_fd < 0,
	};
	line->input = (struct direction){
		.line = line,
		.name = "input",
		.fd = line->config.input_fd,
		.ready_events = POLLIN,
		.transfer = read_some,
		.finish = finish_read,
		.is_over = line->config.input_fd < 0,
	};
}

int serial_line_create(
	const struct serial_line_config *config, struct serial_line **line, struct error *error)
{
	struct serial_line *created = calloc(1, sizeof *created);

	if (!created)
		return error_set(error, -ENOMEM, "no memory for the console");
	created->config = *config;
	created->sidecore = exit_service_sidecore(config->service);
	sem_init(&created->stopped, 0, 0);
	init(created);
	*line = created;
	want_input(created);
	return 0;
}

static void complete_cancellation(
	struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct direction *direction = container_of(operation, struct direction, cancellation);

	direction->line->cancelling--;
	stop_if_idle(direction->line);
}

static void cancel(struct serial_line *line, struct direction *direction)
{
	if (!direction->is_busy)
		return;
	line->cancelling++;
	direction->cancellation.complete = complete_cancellation;
	io_uring_prep_cancel(sidecore_prepare(line->sidecore, &direction->cancellation),
		&direction->operation, 0);
}

static void begin_stop(void *argument)
{
	struct serial_line *line = argument;

	line->is_stopping = true;
	cancel(line, &line->input);
	stop_if_idle(line);
}

static void cut_off(void *argument)
{
	struct serial_line *line = argument;

	line->is_cut_off = true;
	cancel(line, &line->output);
}

static bool wait_until_stopped(struct serial_line *line)
{
	struct timespec deadline;
	int result;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += LINGER_S;
	do
		result = sem_timedwait(&line->stopped, &deadline);
	while (result < 0 && errno == EINTR);
	return result == 0;
}

void serial_line_destroy(struct serial_line *line)
{
	sidecore_call(line->sidecore, begin_stop, line);
	if (!wait_until_stopped(line)) {
		sidecore_call(line->sidecore, cut_off, line);
		while (sem_wait(&line->stopped) < 0)
			;
	}
	sem_destroy(&line->stopped);
	free(line);
}
