/* `sluice bench disk`: drive a vhost-user-blk socket without a VM. */
#ifndef SLUICE_CLI_BENCH_DISK_H
#define SLUICE_CLI_BENCH_DISK_H

/* Returns an exit status: 0; 1 if it could not run; 2 if there were errors or mismatches. */
int command_bench_disk(int argc, char **argv);

#endif
