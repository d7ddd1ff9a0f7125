#include "control/metrics/metrics_device.h"

#include <stdlib.h>

#include "control/metrics/exposition.h"

#define FIELD(field) offsetof(struct net_device_statistics, field)
#define COUNTER(name, help, field)                                                        \
	{                                                                                 \
		"sluice_nic_device_" name, "counter", help, METRIC_COUNT, FIELD(field), 0 \
	}
#define STATE(name, help, field)                                                        \
	{                                                                               \
		"sluice_nic_device_" name, "gauge", help, METRIC_TRUTH, FIELD(field), 0 \
	}

static const struct metric device_metrics[] = {
	STATE("connected", "Whether a guest's front end is there.", is_connected),
	STATE("link_up", "Whether the guest's link is up.", is_link_up),
	COUNTER("kicks_total", "Kicks from the guest.", kicks),
	COUNTER("calls_total", "Interrupts sent to the guest.", calls),
	COUNTER("reconnects_total", "Front ends that came after another.", reconnects),
};

/* ---- directions ---- */

struct direction {
	uint64_t packets, bytes;
};

static const struct metric direction_metrics[] = {
	{"sluice_nic_device_packets_total", "counter", "Packets moved.", METRIC_COUNT,
		offsetof(struct direction, packets), 0},
	{"sluice_nic_device_bytes_total", "counter", "Bytes of frames moved.", METRIC_COUNT,
		offsetof(struct direction, bytes), 0},
};

/* ---- drops ---- */

static const struct metric drop_metrics[] = {
	{"sluice_nic_device_drops_total", "counter", "Packets dropped.", METRIC_COUNT, 0, 0},
};

static const struct {
	const char *direction, *reason;
	size_t offset;
} drops[] = {
	{"transmit", "malformed", FIELD(transmit_drops_malformed)},
	{"transmit", "link", FIELD(transmit_drops_link)},
	{"transmit", "refused", FIELD(transmit_drops_refused)},
	{"receive", "too_large", FIELD(receive_drops_too_large)},
	{"receive", "malformed", FIELD(receive_drops_malformed)},
};
#undef FIELD

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- all ---- */

/* The samples of all vNICs that have a device, with their labels so far. */
struct sampled {
	struct net_device_statistics statistics;
	struct direction transmit, receive;
	const struct net_device_config *config;
};

static unsigned take_samples(const struct host *host, struct sampled *samples)
{
	unsigned count = 0;

	for (unsigned i = 0; i < host->configuration->nics_count; i++) {
		struct sampled *sample = &samples[count];

		if (!host->nics[i].device)
			continue;
		net_device_statistics(host->nics[i].device, &sample->statistics);
		sample->config = net_device_config(host->nics[i].device);
		sample->transmit = (struct direction){
			sample->statistics.transmit_packets, sample->statistics.transmit_bytes};
		sample->receive = (struct direction){
			sample->statistics.receive_packets, sample->statistics.receive_bytes};
		count++;
	}
	return count;
}

static void write_states(
	FILE *to, const struct sampled *samples, unsigned count, struct metric_subject *subjects)
{
	static const struct metric_group group = {
		{"nic", "netdev"}, device_metrics, COUNT_OF(device_metrics)};

	for (unsigned i = 0; i < count; i++)
		subjects[i] = (struct metric_subject){
			{samples[i].config->name, samples[i].config->netdev},
			&samples[i].statistics};
	exposition_write(to, &group, subjects, count);
}

static void write_directions(
	FILE *to, const struct sampled *samples, unsigned count, struct metric_subject *subjects)
{
	static const struct metric_group group = {
		{"nic", "netdev", "direction"}, direction_metrics, COUNT_OF(direction_metrics)};

	for (unsigned i = 0; i < count; i++) {
		const struct net_device_config *config = samples[i].config;
		struct metric_subject *subject = &subjects[(size_t)2 * i];

		subject[0] = (struct metric_subject){
			{config->name, config->netdev, "transmit"}, &samples[i].transmit};
		subject[1] = (struct metric_subject){
			{config->name, config->netdev, "receive"}, &samples[i].receive};
	}
	exposition_write(to, &group, subjects, 2 * count);
}

static void write_drops(
	FILE *to, const struct sampled *samples, unsigned count, struct metric_subject *subjects)
{
	static const struct metric_group group = {
		{"nic", "netdev", "direction", "reason"}, drop_metrics, COUNT_OF(drop_metrics)};
	unsigned used = 0;

	for (unsigned i = 0; i < count; i++)
		for (size_t k = 0; k < COUNT_OF(drops); k++)
			subjects[used++] = (struct metric_subject){
				{samples[i].config->name, samples[i].config->netdev,
					drops[k].direction, drops[k].reason},
				(const char *)&samples[i].statistics + drops[k].offset};
	exposition_write(to, &group, subjects, used);
}

void metrics_write_devices(FILE *to, const struct host *host)
{
	unsigned nics = host->configuration->nics_count, count;
	struct sampled *samples = calloc(nics + 1u, sizeof *samples);
	struct metric_subject *subjects = calloc(nics * COUNT_OF(drops) + 1, sizeof *subjects);

	if (samples && subjects && host->nics) {
		count = take_samples(host, samples);
		write_states(to, samples, count, subjects);
		write_directions(to, samples, count, subjects);
		write_drops(to, samples, count, subjects);
	}
	free(subjects);
	free(samples);
}
