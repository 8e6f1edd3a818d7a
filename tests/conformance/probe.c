/* probe.c: functions of the shared headers as kernels, for tests. */
#include "probe.h"

#include "dot.h"
#include "exp.h"
#include "halves.h"

#define CK_DEFINE_MAP(name, of)                                                                                        \
    void ck_probe_fwd_##name(int part, int parts, int64_t count, const float *restrict x, float *restrict y)          \
    {                                                                                                                  \
        (void)part;                                                                                                    \
        (void)parts;                                                                                                   \
        for (int64_t i = 0; i < count; i += CK_LANES) {                                                                \
            const int64_t left = count - i < CK_LANES ? count - i : CK_LANES;                                          \
            const ck_vf v = ck_load_n(x + i, left);                                                                    \
            ck_store_n(y + i, of, left);                                                                               \
        }                                                                                                              \
    }

CK_DEFINE_MAP(exp, ck_exp(v))
CK_DEFINE_MAP(expNonpositive, ck_exp_nonpositive(v))
CK_DEFINE_MAP(sigmoid, ck_times_sigmoid(ck_set(1.0f), v))
CK_DEFINE_MAP(tanh, ck_tanh(v))

void ck_probe_fwd_f16(int part, int parts, int64_t count, const float *restrict x, uint16_t *restrict half,
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

void ck_probe_fwd_bf16(int part, int parts, int64_t count, const float *restrict x, uint16_t *restrict half,
                       float *restrict back)
{
    (void)part;
    (void)parts;
    for (int64_t i = 0; i < count; i += CK_LANES) {
        const int64_t left = count - i < CK_LANES ? count - i : CK_LANES;
        ck_store_h_n(half + i, ck_to_bf16(ck_load_n(x + i, left)), left);
        ck_store_n(back + i, ck_from_bf16(ck_load_h_n(half + i, left)), left);
    }
}

void ck_probe_fwd_dot(int part, int parts, int64_t groups, int64_t lanes, const int32_t *restrict w,
                      const int32_t *restrict x, int32_t *restrict wide, int32_t *restrict small)
{
    (void)part;
    (void)parts;
    ck_vi sums[2] = {ck_set_i(0), ck_set_i(0)};
    for (int64_t group = 0; group < groups; group++) {
        const ck_vi codes = ck_load_codes((const uint8_t *)(w + group * lanes));
        const ck_inputs inputs = ck_set_inputs((const uint8_t *)(x + group));
        sums[0] = ck_dot4(sums[0], ck_wide_codes(codes), inputs);
        sums[1] = ck_dot4(sums[1], ck_small_codes((ck_vi)((ck_vu)codes & 0x7f7f7f7f)), inputs);
        /* What the bias adds. */
        for (int i = 0; i < 4; i++) {
            sums[0] -= CK_WIDE_BIAS * ((const int8_t *)(x + group))[i];
        }
    }
    memcpy(wide, &sums[0], sizeof sums[0]);
    memcpy(small, &sums[1], sizeof sums[1]);
}
