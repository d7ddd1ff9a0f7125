/*
 * Where a key lies between two others, as their bytes tell: for estimates where nothing better is known.
 */
#ifndef SLUICE_STORE_KEY_POSITION_H
#define SLUICE_STORE_KEY_POSITION_H

#include "message.h"

/*
 * From 0 (`first`, or before it) to 1 (`last`, or behind it). Of what the two have not in common, eight bytes count, as a number.
 *
 * @first: less than `last`
 */
double key_position(struct bytes first, struct bytes last, struct bytes key);

#endif
