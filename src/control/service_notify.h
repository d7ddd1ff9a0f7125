/* Telling systemd how the service is, by the protocol of sd_notify(3). */
#ifndef SLUICE_CONTROL_SERVICE_NOTIFY_H
#define SLUICE_CONTROL_SERVICE_NOTIFY_H

/* Send "READY=1" and the like; does nothing outside systemd. */
void service_notify(const char *state);

#endif
