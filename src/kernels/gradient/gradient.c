/* gradient.c: what is asked of all gradients together: their norm, and what it makes of them. */
#include "gradient.h"

#include "chunks.h"

enum { CK_RUN = 64 * CK_LANES }; /* elements whose squares are added in f32; runs are added in double */

/* Σ x² over elements [i, end), in one order: four accumulators in a run, runs one after the other. */
static double ck_square_sum(const float *x, int64_t i, int64_t end)
{
    double total = 0;
    while (i < end) {
        const int64_t stop = end - i < CK_RUN ? end : i + CK_RUN;
        ck_vf sum[4] = {ck_set(0.0f), ck_set(0.0f), ck_set(0.0f), ck_set(0.0f)};
        for (; i + 4 * CK_LANES <= stop; i += 4 * CK_LANES) {
            CK_UNROLL
            for (int at = 0; at < 4; at++) {
                const ck_vf v = ck_load(x + i + at * CK_LANES);
                sum[at] = ck_fma(v, v, sum[at]);
            }
        }
        CK_EACH(i, stop, const ck_vf v = ck_take(x + i, n); sum[0] = ck_fma(v, v, sum[0]);)
        total += (double)ck_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
        i = stop;
    }
    return total;
}

static void ck_chunk_squares(int part, int parts, int64_t elements, int64_t chunks, const float *x, float *sums)
{
    const int64_t each = ((elements + chunks - 1) / chunks + CK_LINE - 1) / CK_LINE * CK_LINE;
    int64_t chunk, last;
    ck_share(chunks, part, parts, &chunk, &last);
    for (; chunk < last; chunk++) {
        const int64_t begin = chunk * each < elements ? chunk * each : elements;
        const int64_t end = elements - begin < each ? elements : begin + each;
        sums[chunk] = (float)ck_square_sum(x, begin, end);
    }
}

void ck_squares_fwd_f32(int part, int parts, int64_t elements, int64_t chunks, const float *x, float *sums)
{
    ck_chunk_squares(part, parts, elements, chunks, x, sums);
}

void ck_squaresRow_fwd_f32(int part, int parts, int64_t elements, int64_t rows, int64_t chunks, int64_t row,
                           const float *x, float *sums)
{
    if (row >= 0 && row < rows) {
        ck_chunk_squares(part, parts, elements, chunks, x, sums + row * chunks);
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

void ck_rootOfSum_fwd_f32(int part, int parts, int64_t rows, int64_t chunks, const float *sums, float *norm)
{
    int64_t first, end;
    ck_share(1, part, parts, &first, &end);
    if (first < end) {
        norm[0] = (float)ck_root_of_sum(sums, rows * chunks);
    }
}

void ck_clip_fwd_f32(int part, int parts, double most, const float *norm, float *clip)
{
    int64_t first, end;
    ck_share(1, part, parts, &first, &end);
    if (first < end) {
        const double factor = most / ((double)norm[0] + 1e-6);
        clip[0] = factor > 1.0 ? 1.0f : (float)factor;
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
