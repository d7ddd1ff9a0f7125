/*
 * `sluice net top`: the network's traffic again and again. On a terminal it has the screen; elsewhere it
 * is text, one table after the other.
 */
#include <curses.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/nic_show.h"
#include "cli/watch_options.h"
#include "control/socket/control_client.h"

#define FLOWS_SHOWN 10 /* of each vNIC */

struct top {
	const struct cli *cli;
	struct watch_options watch;
	SCREEN *screen;	    /* NULL: plain text */
	struct error error; /* said when the screen is the terminal's again */
};

static json_t *call(struct top *top, const char *method, json_t *params)
{
	json_t *result = NULL;

	if (control_call(top->cli->control, method, params, &result, &top->error) == 0)
		return result;
	json_decref(result);
	return NULL;
}

/* {"network": ..., "nics": [...]}; NULL with the reason in `top->error`. */
static json_t *ask(struct top *top)
{
	json_t *network = call(top, "net.show", json_object());
	json_t *nics =
		network ? call(top, "nic.list", json_pack("{s:i}", "flows", FLOWS_SHOWN)) : NULL;

	if (nics)
		return json_pack("{s:o, s:o}", "network", network, "nics", nics);
	json_decref(network);
	return NULL;
}

static void print(const json_t *traffic, FILE *to)
{
	net_show_traffic(json_object_get(traffic, "network"), json_object_get(traffic, "nics"), to);
}

static void show_text(const json_t *traffic)
{
	print(traffic, stdout);
	putchar('\n');
}

/* As many lines as there is room for. */
static void draw(const json_t *traffic)
{
	char *text = NULL, *rest, *line;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	print(traffic, to);
	if (fclose(to) != 0)
		goto out;
	erase();
	rest = text;
	for (int row = 0; row < LINES - 1 && (line = strsep(&rest, "\n")); row++)
		mvaddnstr(row, 0, line, COLS);
	mvaddnstr(LINES - 1, 0, "q: quit", COLS);
	refresh();
out:
	free(text);
}

/* Returns false if it is enough. */
static bool pause_for(const struct top *top)
{
	const struct timespec interval = {(time_t)(top->watch.interval_ns / NS_PER_S),
		(long)(top->watch.interval_ns % NS_PER_S)};

	if (!top->screen)
		return nanosleep(&interval, NULL) == 0;
	timeout((int)(top->watch.interval_ns / NS_PER_MS));
	return getch() != 'q';
}

static int show_once(struct top *top)
{
	json_t *traffic = ask(top);

	if (!traffic)
		return EXIT_FAILURE;
	if (!top->screen)
		return cli_print(top->cli, traffic, show_text);
	draw(traffic);
	json_decref(traffic);
	return EXIT_SUCCESS;
}

static int run(struct top *top)
{
	int status = show_once(top);

	for (unsigned long shown = 1; status == EXIT_SUCCESS && shown < top->watch.count; shown++) {
		if (!pause_for(top))
			break;
		status = show_once(top);
	}
	return status;
}

/* Whether the screen is ours; a terminal that curses does not know gets text. */
static void open_screen(struct top *top)
{
	if (top->cli->is_json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
		return;
	top->screen = newterm(NULL, stdout, stdin);
	if (!top->screen)
		return;
	cbreak();
	noecho();
	curs_set(0);
}

static void close_screen(struct top *top)
{
	if (!top->screen)
		return;
	endwin();
	delscreen(top->screen);
}

int command_net_top(const struct cli *cli, int argc, char **argv)
{
	struct top top = {.cli = cli, .watch = {.interval_ns = NS_PER_S, .count = ULONG_MAX}};
	int status = watch_options_parse(argc, argv, &top.watch);

	if (status)
		return status;
	if (optind < argc)
		return cli_misuse("'sluice net top' does not understand '%s'", argv[optind]);
	open_screen(&top);
	status = run(&top);
	close_screen(&top);
	if (*top.error.message)
		fprintf(stderr, "sluice: %s\n", top.error.message);
	return status;
}
