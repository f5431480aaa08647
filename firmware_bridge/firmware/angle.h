/* The few functions of angles that the firmware needs, written out: no math library differs from another here, so that
 * every build gives the same bits. */
#ifndef RIL_ANGLE_H
#define RIL_ANGLE_H

/* The same angle within [-pi, pi]; `angle` within 1e5 rad. */
double ril_angle_wrap(double angle);

/* Angle of the vector (x, y) within [-pi, pi], to 3e-7 rad; 0 for no vector. Both finite. */
float ril_angle_atan2(float y, float x);

/* Cosine to 2e-7 of an angle within [-pi, pi]. */
float ril_angle_cos(float angle);

#endif
