/*
 * Where a packed ring stands, found in the ring itself.
 *
 * Theory of operation. A split ring's used index says where its device was. A packed ring's position is
 * in the device alone, and in the in-flight region, if there is one: a front end that lost its device
 * without warning, and keeps no region (QEMU's NICs), says where the ring stood when it was started.
 * So a device without a region leaves the ring such that its successor can tell. It uses chains in their
 * order, and marks each descriptor of a chain as used, not only the first, which is the one that the
 * driver looks at. Then descriptors before the device's position are used in this lap, those behind it
 * are available, or were used in the lap before; and where that changes is the position.
 */
#ifndef SLUICE_VIRTIO_PACKED_POSITION_H
#define SLUICE_VIRTIO_PACKED_POSITION_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/virtqueue.h"

/*
 * If the ring is as such a device leaves it, go on from where that stood; otherwise the position that the
 * front end has told stays. For a ring without in-flight tracking, when it is attached.
 */
void packed_position_correct(struct virtqueue *queue);

/* Mark the descriptors of a chain of `count` after its first one, at `slot`, as used in the lap `wrap`. */
void packed_position_mark(struct virtqueue *queue, uint16_t slot, uint16_t count, bool wrap);

#endif
