#include "tracker.h"

#include "ril_spec.h"

/* Critically damped, both poles at z = exp(-2 pi 50 Hz 1 ms) = 0.7304: alpha = 1 - z^2, beta = (1 - z)^2
 * (Brookner, Tracking and Kalman Filtering Made Easy, 1998, section 1.2, the fading-memory g-h filter).
 * 50 Hz keeps the delay of the rate at 5 ms, one control period; an encoder of 14 bits leaves 0.01 rad/s of noise. */
#define ALPHA 0.466512
#define BETA 0.072683
#define TICK_S (RIL_TICK_US * 1e-6)

void ril_tracker_start(struct ril_tracker *tracker, double angle) {
    tracker->angle = angle;
    tracker->rate = 0.0f;
}

void ril_tracker_predict(struct ril_tracker *tracker) {
    tracker->angle += (double)tracker->rate * TICK_S;
}

void ril_tracker_update(struct ril_tracker *tracker, double angle) {
    ril_tracker_predict(tracker);
    double error = angle - tracker->angle;
    tracker->angle += ALPHA * error;
    tracker->rate += (float)(BETA / TICK_S * error);
}
