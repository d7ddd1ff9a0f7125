/*
 * Weighted max-min sharing with floors: dividing a capacity among claims.
 *
 * Every claim first gets its floor, but never more than it wants. What is left raises a common
 * level, like water in a vessel of uneven ground: a claim's share is `level * weight`, once that is
 * more than its floor, until it has what it wants. So nobody is given what they do not want, nobody
 * could get more without taking from somebody with a smaller share for its weight, and nothing is
 * left while anyone wants more (Bertsekas and Gallager, Data Networks, section 6.5.2, with floors).
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_FAIR_SHARE_H
#define SLUICE_GATEKEEPER_ALLOCATION_FAIR_SHARE_H

/* One of those who share. All rates in the same unit, whatever that is. */
struct fair_claim {
	double floor;  /* guaranteed, if wanted */
	double want;   /* no use for more; INFINITY if there is no telling */
	double weight; /* > 0; finite */
	double share;  /* set by fair_share_divide */
};

/* A level at which a claim's share starts to rise, or stops. */
struct fair_edge {
	double level;
	double slope; /* by how much the sum of all shares rises faster from here on */
};

/*
 * Divide `capacity` among `count` claims, setting each one's share. O(count log count).
 *
 * @edges: room for 2 * count, for calculating; the caller keeps it, so that nothing is allocated
 * Returns the level reached; INFINITY if everybody has what they want. Floors that together are more
 * than the capacity (a link that has become slower) are all cut by the same factor; then it is 0.
 */
double fair_share_divide(
	struct fair_claim *claims, unsigned count, double capacity, struct fair_edge *edges);

#endif
