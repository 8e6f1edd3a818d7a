/* probe.c: functions of simd.h as kernels, for tests. */
#include "probe.h"

#include "simd.h"

void ck_probe_fwd_exp(int part, int parts, int64_t count, const float *restrict x, float *restrict y)
{
    (void)part;
    (void)parts;
    for (int64_t i = 0; i < count; i += CK_LANES) {
        const int64_t left = count - i < CK_LANES ? count - i : CK_LANES;
        ck_store_n(y + i, ck_exp(ck_load_n(x + i, left)), left);
    }
}

void ck_probe_fwd_half(int part, int parts, int64_t count, const float *restrict x, uint16_t *restrict half,
                       float *restrict back)
{
    (void)part;
    (void)parts;
    for (int64_t i = 0; i < count; i += CK_LANES) {
        const int64_t left = count - i < CK_LANES ? count - i : CK_LANES;
        ck_store_f16_n(half + i, ck_load_n(x + i, left), left);
        ck_store_n(back + i, ck_from_f16(ck_load_h_n(half + i, left)), left);
    }
}
