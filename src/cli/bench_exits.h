/* `sluice bench exits`: what leaving the guest costs on this CPU. */
#ifndef SLUICE_CLI_BENCH_EXITS_H
#define SLUICE_CLI_BENCH_EXITS_H

/* Returns an exit status: 0, or 1 if it could not run. */
int command_bench_exits(int argc, char **argv);

#endif
