/* gradient.c: what is asked of all gradients together: their norm, and what it makes of them. */
#include "gradient.h"

#include "chunks.h"
#include "reduce.h"

enum {
    CK_STREAMS = 4,         /* read side by side: one stream does not fill the memory's pipes */
    CK_RUN = 32 * CK_LANES, /* elements of a stream whose squares are added in f32; runs are added in double */
    CK_AHEAD = 2048 / 4     /* elements from a load to what is prefetched with it */
};

/* Σ x² over `count` elements, in one order: runs of the streams side by side, and what is left behind the streams. */
static double ck_square_sum(const float *x, int64_t count)
{
    const int64_t stream = count / (CK_STREAMS * CK_LANES) * CK_LANES;
    double total = 0;
    for (int64_t i = 0; i < stream;) {
        const int64_t stop = stream - i < CK_RUN ? stream : i + CK_RUN;
        ck_vf sums[CK_STREAMS] = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        for (; i < stop; i += CK_LANES) {
            CK_UNROLL
            for (int s = 0; s < CK_STREAMS; s++) {
                const float *from = x + s * stream + i;
                __builtin_prefetch(from + CK_AHEAD);
                sums[s] = ck_fma(ck_load(from), ck_load(from), sums[s]);
            }
        }
        total += (double)ck_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
    ck_vf sum = ck_set(0.0f);
    int64_t i = CK_STREAMS * stream;
    CK_EACH(i, count, const ck_vf v = ck_take(x + i, n); sum = ck_fma(v, v, sum);)
    return total + (double)ck_sum(sum);
}

/* Σ x² over chunk `chunk`, of as many elements as make whole cache lines. */
static float ck_chunk_squares(const float *x, int64_t elements, int64_t chunks, int64_t chunk)
{
    const int64_t each = ((elements + chunks - 1) / chunks + CK_LINE - 1) / CK_LINE * CK_LINE;
    const int64_t begin = chunk * each < elements ? chunk * each : elements;
    return (float)ck_square_sum(x + begin, elements - begin < each ? elements - begin : each);
}

void ck_squares_fwd_f32(int part, int parts, int64_t elements, int64_t chunks, const float *x, float *sums)
{
    int64_t chunk, end;
    ck_share(chunks, part, parts, &chunk, &end);
    for (; chunk < end; chunk++) {
        sums[chunk] = ck_chunk_squares(x, elements, chunks, chunk);
    }
}

static double ck_root_of_sum(const float *sums, int64_t count)
{
    double total = 0;
    for (int64_t i = 0; i < count; i++) {
        total += (double)sums[i];
    }
    return sqrt(total);
}

void ck_rootOfSum_fwd_f32(int part, int parts, int64_t chunks, const float *sums, float *norm)
{
    int64_t first, end;
    ck_share(1, part, parts, &first, &end);
    if (first < end) {
        norm[0] = (float)ck_root_of_sum(sums, chunks);
    }
}

void ck_clip_fwd_f32(int part, int parts, double most, const float *norm, float *clip)
{
    int64_t first, end;
    ck_share(1, part, parts, &first, &end);
    if (first < end) {
        const double factor = most / ((double)norm[0] + 1e-6);
        clip[0] = !isfinite(norm[0]) ? -1.0f : factor > 1.0 ? 1.0f : (float)factor;
    }
}

void ck_unitNorm_fwd_f32(int part, int parts, int64_t elements, int64_t chunks, double eps, const float *x,
                         const float *sums, float *y)
{
    const ck_vf factor = ck_set((float)(1.0 / (ck_root_of_sum(sums, chunks) + eps)));
    int64_t i, end;
    ck_share_elements(elements, part, parts, &i, &end);
    CK_EACH(i, end, ck_put(y + i, ck_take(x + i, n) * factor, n);)
}
