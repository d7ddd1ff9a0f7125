/*
 * Appetite: how much bandwidth somebody would use, told from what they use of what they get.
 *
 * Theory of operation. Who is not limited shows what they want. Who is limited and uses nearly all
 * of it hides it: it could be anything, so it counts as everything, and the fair share decides. Who
 * is limited and uses less is full. What they leave goes to others, an eighth per period, so that a
 * pause between two packets does not look like the end. Their limit stays above what they use, and
 * above nothing, for growth has to show before it can be served; that much is allowed without being
 * set aside, since few grow at once, and the link has headroom.
 *
 * A limit is felt some time after it was worked out. So what is used is held against the lowest
 * limit that may have been in force: otherwise somebody who was just given more would look full.
 */
#ifndef SLUICE_GATEKEEPER_APPETITE_H
#define SLUICE_GATEKEEPER_APPETITE_H

#define APPETITE_LAG 3u /* periods within which a limit is felt */

struct appetite {
	double allowed[APPETITE_LAG]; /* limits, the latest first; INFINITY: none */
	double share;		      /* what was set aside last */
};

/* As yet without a limit. */
void appetite_init(struct appetite *appetite);

/*
 * What to set aside for somebody in the next period.
 *
 * @used: measured in the last period
 * Returns INFINITY if there is no telling.
 */
double appetite_want(const struct appetite *appetite, double used);

/*
 * Note what was set aside for the next period, and work out the limit.
 *
 * @want: as told by appetite_want
 * @share: of that, what was to be had; less than `want` if there is a shortage
 * @used: measured in the last period
 * @least: what anybody may use, however little they do
 * Returns the limit for the next period.
 */
double appetite_serve(
	struct appetite *appetite, double want, double share, double used, double least);

/* Note that there is no limit for the next period. */
void appetite_release(struct appetite *appetite);

/* Note that the limit worked out last was not told, and `told` is in force instead. */
void appetite_correct(struct appetite *appetite, double told);

#endif
