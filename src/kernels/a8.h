/*
 * a8.h: a block of 32 quantised activations: f32 scale; f32 scale * sum of all codes; int16 sums of codes 0 .. 15 and
 * 16 .. 31; int8 codes.
 */
#ifndef CK_A8_H
#define CK_A8_H

enum { CK_BLOCK = 32, CK_A8_BYTES = 44, CK_A8_SUM = 4, CK_A8_HALF_SUMS = 8, CK_A8_CODES = 12 };

#endif
