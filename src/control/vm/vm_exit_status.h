/* How `sluice vm run` and sluice-vm exit. */
#ifndef SLUICE_CONTROL_VM_VM_EXIT_STATUS_H
#define SLUICE_CONTROL_VM_VM_EXIT_STATUS_H

enum vm_exit_status {
	VM_EXIT_OFF = 0,     /* the guest has turned itself off */
	VM_EXIT_FAILED = 1,  /* it could not be started */
	VM_EXIT_USAGE = 2,   /* the command line, or the description, makes no sense */
	VM_EXIT_CRASHED = 3, /* the guest cannot go on */
	VM_EXIT_STOPPED = 4, /* it was ended from outside */
	VM_EXIT_KILLED = 5,  /* its process was, by a signal or its sandbox */
};

#endif
