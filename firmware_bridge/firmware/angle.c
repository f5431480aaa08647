#include "angle.h"

#include <math.h>
#include <stdint.h>

#define PI 3.141592653589793
#define TURN 6.283185307179586
#define PI_F 3.14159265f
#define TAN_EIGHTH 0.41421356f /* tan(pi / 8) */

double ril_angle_wrap(double angle) {
    if (fabs(angle) <= PI) {
        return angle;
    }
    double turns = (double)(int32_t)(fabs(angle) / TURN + 0.5);
    return angle - (angle < 0.0 ? -turns : turns) * TURN;
}

/* Odd polynomial, fitted to the least greatest error (5e-8) over |x| <= tan(pi / 8). */
static float arctan_near_zero(float x) {
    float z = x * x;
    float p = -0.333332896f + z * (0.199915484f + z * (-0.140289411f + z * 0.0853908285f));
    return x + x * z * p;
}

/* For 0 <= x <= 1; arctan x = pi/4 + arctan((x - 1) / (x + 1)). */
static float arctan_of_ratio(float x) {
    return x > TAN_EIGHTH ? 0.25f * PI_F + arctan_near_zero((x - 1.0f) / (x + 1.0f)) : arctan_near_zero(x);
}

float ril_angle_atan2(float y, float x) {
    float ahead = fabsf(x), aside = fabsf(y);
    float larger = ahead > aside ? ahead : aside;
    if (larger == 0.0f) {
        return 0.0f;
    }
    float angle = arctan_of_ratio((ahead > aside ? aside : ahead) / larger);
    angle = ahead > aside ? angle : 0.5f * PI_F - angle;
    angle = x < 0.0f ? PI_F - angle : angle;
    return y < 0.0f ? -angle : angle;
}

/* Even polynomial, fitted to the least greatest error (8e-8) over |x| <= pi / 2. */
static float cosine_of_acute(float x) {
    float z = x * x;
    float p = 0.0416666679f + z * (-0.00138888136f + z * (2.47861644e-5f + z * -2.65480708e-7f));
    return (1.0f - 0.5f * z) + z * z * p;
}

float ril_angle_cos(float angle) {
    float size = fabsf(angle);
    return size > 0.5f * PI_F ? -cosine_of_acute(PI_F - size) : cosine_of_acute(size);
}
