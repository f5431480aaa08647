/* Rate of an angle from its samples, without the noise of a difference quotient. */
#ifndef RIL_TRACKER_H
#define RIL_TRACKER_H

/* An alpha-beta filter: a phase-locked loop on an angle sampled at 1 kHz. */
struct ril_tracker {
    double angle; /* rad */
    float rate;   /* rad/s */
};

/* Starts at a standstill at `angle`. */
void ril_tracker_start(struct ril_tracker *tracker, double angle);

/* Goes on by one tick without a sample. */
void ril_tracker_predict(struct ril_tracker *tracker);

/* Goes on by one tick with a sample. */
void ril_tracker_update(struct ril_tracker *tracker, double angle);

#endif
