/*
 * a8.h: a block of 32 quantised activations: f32 scale; f32 scale * sum of all codes; int32 -128 * sum of all codes; int32
 * -128 * sum of codes 0 .. 15; int8 codes. The last two are what a dot begins with to take a bias of 128 off the weights.
 */
#ifndef CK_A8_H
#define CK_A8_H

enum {
    CK_BLOCK = 32,
    CK_A8_BYTES = 48,
    CK_A8_SUM = 4,
    CK_A8_START = 8,
    CK_A8_LOW_START = 12,
    CK_A8_CODES = 16,
    CK_A8_BIAS = 128
};

#endif
