/* lines.h: rows that are copied to whole lines of the cache, with zeros beyond, and back. */
#ifndef CK_LINES_H
#define CK_LINES_H

#include "split.h"
#include "strips.h"
#include "turn.h"

/* Floats of a line, to which rows of copies are padded. */
enum { CK_LINE_FLOATS = 16 };

CK_INLINE int64_t ck_whole(int64_t count, int64_t unit)
{
    return (count + unit - 1) / unit * unit;
}

/*
 * to [rows, whole lines] = from [rows, width] * factor, or each row times its own; zeros beyond. Heads lie side by side, so
 * that the memory would be asked for a line here and there: asks for those that are a strip further.
 */
static void ck_copy_rows(const float *from, int64_t from_row, int64_t rows, int64_t width, float factor,
                         const float *factors, float *to)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < rows; row++, from += from_row, to += line) {
        const ck_vf times = ck_set(factors ? factors[row] : factor);
        int64_t col = 0;
        for (; col + CK_LANES <= width; col += CK_LANES) {
            __builtin_prefetch(from + CK_STRIP * from_row + col, 0, 2);
            ck_store(to + col, ck_load(from + col) * times);
        }
        for (; col < line; col += CK_LANES) {
            ck_store(to + col, col < width ? ck_load_n(from + col, width - col) * times : ck_set(0.0f));
        }
    }
}

/* turned [width][CK_STRIP] = rows [count, whole lines] with axes exchanged; zeros in lanes without a row. */
static void ck_turn_rows(const float *rows, int64_t count, int64_t width, float *turned)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < count; row += CK_LANES) {
        for (int64_t col = 0; col < width; col += CK_LANES) {
            ck_vf square[CK_LANES];
            CK_UNROLL
            for (int lane = 0; lane < CK_LANES; lane++) {
                square[lane] = row + lane < count ? ck_load(rows + (row + lane) * line + col) : ck_set(0.0f);
            }
            ck_transpose(square, square);
            CK_UNROLL
            for (int lane = 0; lane < CK_LANES; lane++) {
                ck_store(turned + (col + lane) * CK_STRIP + row, square[lane]);
            }
        }
    }
}

/* to [rows, width] = sums [rows, whole lines] * factor, or each row times its own. */
static void ck_store_rows(const float *sums, int64_t rows, int64_t width, float factor, const float *factors,
                          float *to, int64_t to_row)
{
    const int64_t line = ck_whole(width, CK_LINE_FLOATS);
    for (int64_t row = 0; row < rows; row++, sums += line, to += to_row) {
        const ck_vf times = ck_set(factors ? factors[row] : factor);
        int64_t col = 0;
        for (; col + CK_LANES <= width; col += CK_LANES) {
            ck_store(to + col, ck_load(sums + col) * times);
        }
        if (col < width) {
            ck_store_n(to + col, ck_load(sums + col) * times, width - col);
        }
    }
}

#endif
