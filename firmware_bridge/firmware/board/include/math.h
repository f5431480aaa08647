/* The part of <math.h> that the firmware uses, for compilers that come without a C library. All of it compiles to
 * instructions; nothing is linked. */
#ifndef RIL_FREESTANDING_MATH_H
#define RIL_FREESTANDING_MATH_H

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define isfinite(x) __builtin_isfinite(x)
#define fabs(x) __builtin_fabs(x)
#define fabsf(x) __builtin_fabsf(x)

#endif
