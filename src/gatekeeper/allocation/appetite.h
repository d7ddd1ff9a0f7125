/*
 * Appetite: how much bandwidth somebody would use, told from what they use of what they get.
 *
 * Theory of operation. Who is not limited shows what they want. Who is limited and uses nearly all
 * of it hides it: it could be anything, so it counts as everything, and the fair share decides. Who
 * leaves more than a little of it unused is full. "A little" is a few periods' worth, and more than one of the
 * largest packets: at a low limit one of those is followed by a long pause, which is no sign of being
 * full, and a shaper lets that pause last even if the limit is raised meanwhile.
 *
 * What the full leave goes to others, half of it per period. Their limit stays above what they use, and
 * above nothing, for growth has to show before it can be served; that much is allowed without being
 * set aside, since few grow at once, and the link has headroom.
 *
 * A limit is felt some time after it was worked out. So what is used is held against the lowest
 * limit that may have been in force: otherwise somebody who was just given more would look full.
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_APPETITE_H
#define SLUICE_GATEKEEPER_ALLOCATION_APPETITE_H

#define APPETITE_LAG 3u /* periods within which a limit is felt */

struct appetite {
	double allowed[APPETITE_LAG]; /* limits, the latest first; INFINITY: none */
	double share;		      /* what was set aside last */
	double unused; /* of the limits, in all periods since one was used up; INFINITY: none ever was */
};

/* As yet without a limit. */
void appetite_init(struct appetite *appetite);

/*
 * What to set aside for somebody in the next period.
 *
 * @used: measured in the last period
 * @grain: what one of the largest packets makes of `used`
 * Returns INFINITY if there is no telling.
 */
double appetite_want(struct appetite *appetite, double used, double grain);

/*
 * Note what was set aside for the next period, and work out the limit.
 *
 * @want: as told by appetite_want
 * @share: of that, what was to be had; less than `want` if there is a shortage
 * @used: measured in the last period
 * @least: what anybody may use, however little they do
 * @grain: as of appetite_want
 * Returns the limit for the next period.
 */
double appetite_serve(struct appetite *appetite, double want, double share, double used,
	double least, double grain);

/* Note that there is no limit for the next period. */
void appetite_release(struct appetite *appetite);

/* Note that the limit worked out last was not told, and `told` is in force instead. */
void appetite_correct(struct appetite *appetite, double told);

#endif
