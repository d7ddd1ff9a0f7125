/*
 * Theory of operation. Lines are global system interrupts 0 to 23, as KVM routes them from the beginning:
 * pin n of the I/O APIC, and below 16 of the PICs. Message n is interrupt LAYOUT_GSI_COUNT + n; it
 * has a route while somebody is meant to get it. KVM takes all routes at once, so the table is built
 * anew whenever one changes, which is when a guest sets up a device or moves an interrupt to another CPU.
 */
#include "vmm/interrupts.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/kvm_events.h"
#include "vmm/layout.h"

#define PIC_PINS 8u
#define ROUTES_MAX (LAYOUT_GSI_COUNT + 2 * PIC_PINS + INTERRUPT_MESSAGES_MAX)

/* What is written elsewhere would be an access to memory by a real device, and is no interrupt. */
#define MESSAGE_ADDRESS_MASK 0xfffffffffff00000ull

struct message {
	int fd;
	bool is_sent; /* KVM listens to the eventfd */
	uint64_t address;
	uint32_t data;
};

struct interrupts {
	pthread_mutex_t lock;
	int vm_fd;
	int line_fds[LAYOUT_GSI_COUNT]; /* -1: not asked for yet */
	unsigned message_count;
	struct message messages[INTERRUPT_MESSAGES_MAX];
	struct kvm_irq_routing *routes; /* with room for ROUTES_MAX */
};

/* ---- routes ---- */

static struct kvm_irq_routing_entry *add_route(
	struct interrupts *interrupts, uint32_t gsi, uint32_t type)
{
	struct kvm_irq_routing_entry *route =
		&interrupts->routes->entries[interrupts->routes->nr++];

	*route = (struct kvm_irq_routing_entry){.gsi = gsi, .type = type};
	return route;
}

static void add_pin(struct interrupts *interrupts, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	struct kvm_irq_routing_entry *route = add_route(interrupts, gsi, KVM_IRQ_ROUTING_IRQCHIP);

	route->u.irqchip.irqchip = chip;
	route->u.irqchip.pin = pin;
}

static void add_pins(struct interrupts *interrupts)
{
	for (uint32_t gsi = 0; gsi < LAYOUT_GSI_COUNT; gsi++)
		add_pin(interrupts, gsi, KVM_IRQCHIP_IOAPIC, gsi);
	for (uint32_t pin = 0; pin < PIC_PINS; pin++) {
		add_pin(interrupts, pin, KVM_IRQCHIP_PIC_MASTER, pin);
		add_pin(interrupts, PIC_PINS + pin, KVM_IRQCHIP_PIC_SLAVE, pin);
	}
}

static void add_message_route(struct interrupts *interrupts, unsigned number)
{
	const struct message *message = &interrupts->messages[number];
	struct kvm_irq_routing_entry *route =
		add_route(interrupts, LAYOUT_GSI_COUNT + number, KVM_IRQ_ROUTING_MSI);

	route->u.msi.address_lo = (uint32_t)message->address;
	route->u.msi.address_hi = (uint32_t)(message->address >> 32);
	route->u.msi.data = message->data;
}

static int set_routes(struct interrupts *interrupts)
{
	interrupts->routes->nr = 0;
	add_pins(interrupts);
	for (unsigned i = 0; i < interrupts->message_count; i++)
		if (interrupts->messages[i].is_sent)
			add_message_route(interrupts, i);
	return kvm_events_set_routes(interrupts->vm_fd, interrupts->routes);
}

/* ---- lines ---- */

static int open_line(struct interrupts *interrupts, uint32_t gsi, struct error *error)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), result;

	if (fd < 0)
		return error_set(error, -errno, "no eventfd for an interrupt: %s", strerror(errno));
	result = kvm_events_set_interrupt(interrupts->vm_fd, fd, gsi, true);
	if (result < 0) {
		close(fd);
		return error_set(error, result, "KVM does not take interrupt %u: %s", gsi,
			strerror(-result));
	}
	interrupts->line_fds[gsi] = fd;
	return fd;
}

int interrupts_line(struct interrupts *interrupts, uint32_t gsi, struct error *error)
{
	int fd;

	if (gsi >= LAYOUT_GSI_COUNT)
		return error_set(error, -EINVAL, "there is no interrupt line %u", gsi);
	pthread_mutex_lock(&interrupts->lock);
	fd = interrupts->line_fds[gsi];
	if (fd < 0)
		fd = open_line(interrupts, gsi, error);
	pthread_mutex_unlock(&interrupts->lock);
	return fd;
}

/* ---- messages ---- */

int interrupts_add_message(struct interrupts *interrupts, struct error *error)
{
	int fd, number;

	pthread_mutex_lock(&interrupts->lock);
	if (interrupts->message_count == INTERRUPT_MESSAGES_MAX) {
		number = error_set(error, -ENOSPC, "a VM has at most %u interrupt messages",
			INTERRUPT_MESSAGES_MAX);
		goto out;
	}
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0) {
		number = error_set(
			error, -errno, "no eventfd for an interrupt: %s", strerror(errno));
		goto out;
	}
	number = (int)interrupts->message_count++;
	interrupts->messages[number] = (struct message){.fd = fd};
out:
	pthread_mutex_unlock(&interrupts->lock);
	return number;
}

int interrupts_message_fd(const struct interrupts *interrupts, unsigned message)
{
	return interrupts->messages[message].fd;
}

/* KVM lets go of the eventfd first, so that what comes while the route changes waits in it. */
static int mask(struct interrupts *interrupts, unsigned number)
{
	struct message *message = &interrupts->messages[number];

	if (!message->is_sent)
		return 0;
	message->is_sent = false;
	return kvm_events_set_interrupt(
		interrupts->vm_fd, message->fd, LAYOUT_GSI_COUNT + number, false);
}

static int unmask(struct interrupts *interrupts, unsigned number, uint64_t address, uint32_t data)
{
	struct message *message = &interrupts->messages[number];
	int result;

	message->address = address;
	message->data = data;
	message->is_sent = true;
	result = set_routes(interrupts);
	if (result == 0)
		result = kvm_events_set_interrupt(
			interrupts->vm_fd, message->fd, LAYOUT_GSI_COUNT + number, true);
	if (result < 0)
		message->is_sent = false;
	return result;
}

int interrupts_set_message(struct interrupts *interrupts, unsigned message, uint64_t address,
	uint32_t data, bool is_masked)
{
	const struct message *old = &interrupts->messages[message];
	int result = 0;

	pthread_mutex_lock(&interrupts->lock);
	if (!is_masked && old->is_sent && old->address == address && old->data == data)
		goto out;
	result = mask(interrupts, message);
	if (result < 0 || is_masked)
		goto out;
	result = -EINVAL;
	if ((address & MESSAGE_ADDRESS_MASK) == LAYOUT_LOCAL_APIC)
		result = unmask(interrupts, message, address, data);
out:
	pthread_mutex_unlock(&interrupts->lock);
	return result;
}

bool interrupts_is_pending(const struct interrupts *interrupts, unsigned message)
{
	struct pollfd event = {.fd = interrupts->messages[message].fd, .events = POLLIN};

	return poll(&event, 1, 0) > 0;
}

/* ---- the whole ---- */

int interrupts_create(int vm_fd, struct interrupts **interrupts, struct error *error)
{
	struct interrupts *new_one = calloc(1, sizeof *new_one);
	int result;

	if (new_one)
		new_one->routes = calloc(
			1, sizeof *new_one->routes + ROUTES_MAX * sizeof *new_one->routes->entries);
	if (!new_one || !new_one->routes) {
		free(new_one);
		return error_set(error, -ENOMEM, "no memory for a VM's interrupts");
	}
	new_one->vm_fd = vm_fd;
	pthread_mutex_init(&new_one->lock, NULL);
	for (unsigned i = 0; i < LAYOUT_GSI_COUNT; i++)
		new_one->line_fds[i] = -1;
	result = set_routes(new_one);
	if (result < 0) {
		interrupts_destroy(new_one);
		return error_set(
			error, result, "KVM does not take interrupt routes: %s", strerror(-result));
	}
	*interrupts = new_one;
	return 0;
}

void interrupts_destroy(struct interrupts *interrupts)
{
	for (unsigned i = 0; i < LAYOUT_GSI_COUNT; i++)
		if (interrupts->line_fds[i] >= 0)
			close(interrupts->line_fds[i]);
	for (unsigned i = 0; i < interrupts->message_count; i++)
		close(interrupts->messages[i].fd);
	pthread_mutex_destroy(&interrupts->lock);
	free(interrupts->routes);
	free(interrupts);
}
