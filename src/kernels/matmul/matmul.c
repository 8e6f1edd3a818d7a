/*
 * matmul.c: y = sum + op(a) · op(b), every form by the same loops.
 *
 * Of a piece of depth, a block of rows of op(a) and then strip after strip of columns of op(b) are copied into the
 * scratch: rows in tiles, columns in panels. y holds the sums from one piece of depth to the next. Sizes of pieces,
 * blocks and strips follow from the room there is, and change no bit. What would be read too few times to be copied is
 * read where it lies: rows of a that few columns want, and narrow operands that both lie step after step of depth.
 */
#include "matmul.h"

#include "ahead.h"
#include "pairs.h"
#include "split.h"

/*
 * A tile goes along its rows of y, panel after panel: so y is read in the order in which it lies in memory, and the
 * panels of a strip stream from the second-level cache, which they share with what will be copied next. A deep piece
 * makes few trips of y through memory. Where one strip has all columns, a block is multiplied before it leaves that
 * cache. A low tile is soon done with a panel: it needs a wider strip to be worth its own way from memory.
 */
enum { CK_DEPTH = 768, CK_STRIP = 1536 / CK_TALL * CK_DEPTH, CK_BLOCK_ROWS = 14 * CK_TALL };

/* Steps of depth between two requests to the memory: at once, they would keep the loads of the product waiting. */
enum { CK_STEPS = CK_TALL > 6 ? 16 : 64 };

/* The most columns of narrow operands together, and the depth of a piece of their product: of both it fits the caches. */
enum { CK_NARROW = CK_TALL > 6 ? 768 : 448, CK_NARROW_DEPTH = 96 };

/*
 * The most columns of y for which rows of a are read where they lie. A tall tile reads more rows at once than a set of the
 * first-level cache keeps where they lie a power of two apart.
 */
enum { CK_FEW_COLS = (CK_TALL > 6 ? 4 : 48) * CK_WIDE };

/* Elements of scratch that a part needs at least. */
enum { CK_LEAST_ROOM = 16 * (CK_TALL + CK_WIDE) };

typedef struct {
    int unit; /* steps of depth that are multiplied at once */
    int64_t rows, cols, depth;
    int a_format;
    const void *a;
    int64_t a_row, a_col; /* from row to row and from column to column of op(a) */
    int b_format;
    int transposed;       /* whether b is stored as [cols, depth] */
    const void *b;
    int64_t b_row; /* from row to row of b as it is stored */
    int64_t bands; /* the most ranges of columns that y is divided into */
    const float *sum;
    int64_t sum_row;
    float *y;
    int64_t y_row;
    float *scratch;
    int64_t room;
} ck_matmul;

/* Tiles or panels: elements from one to the next, from row to row of a tile, and from a step of depth to the next. */
typedef struct {
    const float *first;
    int64_t next, row, step;
} ck_side;

/* What of a product is copied: both operands, the panels alone, with the rows of the tiles as they lie, or none. */
enum { CK_COPIED, CK_ROWS_STORED, CK_STORED };

typedef struct {
    int how;
    ck_side tiles, panels;
} ck_sides;

/* Of a copy one operand's part comes next, and else both. */
typedef struct {
    ck_ahead of[2];
} ck_aheads;

CK_INLINE void ck_ask_for(const int how, ck_aheads *aheads)
{
    ck_ask(&aheads->of[0]);
    if (how == CK_STORED) {
        ck_ask(&aheads->of[1]);
    }
}

/* sums += the first `height` rows of a tile times a panel, over `count` units of depth. */
CK_INLINE void ck_multiply_steps(const int unit, const int height, int64_t count, const float *tile, int64_t tile_row,
                                 int64_t tile_step, const float *panel, int64_t panel_step, ck_vf *sums)
{
#if defined CK_HAS_PAIRS
    if (unit == 2) {
        ck_pair_tile(height, count, tile, panel, sums);
        return;
    }
#endif
    (void)unit;
    ck_float_tile(CK_F32, CK_VECTORS, height, (const uint8_t *)panel, sizeof *sums, panel_step, count, tile, tile_row,
                  tile_step, sums);
}

/* The sums of tiles side by side: where they begin and where they are kept, from row to row, and from tile to tile. */
typedef struct {
    const float *from;
    int64_t from_row, from_next;
    float *to;
    int64_t to_row;
} ck_tile_sums;

/*
 * The first `height` rows of a tile times a panel, added to the first of `sums`; `sides` says their steps. `next`: the whole
 * tile of y that comes after it, or NULL.
 */
CK_INLINE void ck_multiply_tile(const int unit, const int height, const int how, int64_t count, const ck_sides *sides,
                                const float *tile, const float *panel, const ck_tile_sums *sums, const float *next,
                                int64_t next_row, ck_aheads *aheads)
{
    const int64_t tile_row = how == CK_ROWS_STORED ? sides->tiles.row : 1;
    const int64_t tile_step = how == CK_COPIED ? CK_TALL : how == CK_ROWS_STORED ? 1 : sides->tiles.step;
    const int64_t panel_step = how == CK_STORED ? sides->panels.step : CK_WIDE;
    ck_vf sum[CK_FLOAT_SUMS];
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        sum[i] = ck_load(sums->from + i / CK_VECTORS * sums->from_row + i % CK_VECTORS * CK_LANES);
    }
    /* Once even without depth: for a way past all steps compilers would keep the sums in memory as well. */
    int64_t k = 0, row = 0;
    do {
        if (next && row < height) {
            __builtin_prefetch(next + row * next_row, 1);
            __builtin_prefetch(next + row * next_row + CK_WIDE - 1, 1);
        }
        ck_ask_for(how, aheads);
        ck_multiply_steps(unit, height, ck_least(count - k, CK_STEPS), tile + k * tile_step, tile_row, tile_step,
                          panel + k * panel_step, panel_step, sum);
        k += CK_STEPS;
        row++;
    } while (k < count);
    CK_UNROLL
    for (int i = 0; i < CK_VECTORS * height; i++) {
        ck_store(sums->to + i / CK_VECTORS * sums->to_row + i % CK_VECTORS * CK_LANES, sum[i]);
    }
}

static void ck_copy_sums(int64_t rows, int64_t cols, const float *from, int64_t from_row, float *to, int64_t to_row)
{
    for (int64_t row = 0; row < rows; row++) {
        memcpy(to + row * to_row, from + row * from_row, (size_t)cols * sizeof *to);
    }
}

/*
 * y[rows, cols] = sum or, after the first piece, y; plus a tile times the panels of these columns. `after`: the whole tile
 * of y that comes after these, or NULL.
 */
CK_INLINE void ck_multiply_row(const int unit, const int height, const int how, const ck_matmul *c, ck_range rows,
                               ck_range cols, int is_first, int64_t count, ck_sides sides, const float *tile,
                               const float *after, ck_aheads *aheads)
{
    static const float zeros[CK_WIDE];
    const int64_t high = rows.end - rows.begin, broad = cols.end - cols.begin;
    /* The columns of tiles that lie in y; the others reach out of it and lie beside it. */
    const int64_t whole = high == height ? broad / CK_WIDE * CK_WIDE : 0;
    float *y = c->y + rows.begin * c->y_row + cols.begin;
    ck_tile_sums sums = {y, c->y_row, CK_WIDE, y, c->y_row};
    if (is_first && c->sum) {
        sums.from = c->sum + rows.begin * c->sum_row + cols.begin;
        sums.from_row = c->sum_row;
    } else if (is_first) {
        sums.from = zeros;
        sums.from_row = sums.from_next = 0;
    }
    const float *panel = sides.panels.first;
    int64_t col = 0;
    while (col < broad) {
        float beside[CK_TALL * CK_WIDE];
        const int is_cut = col >= whole;
        const int64_t begin = col, end = is_cut ? ck_least(col + CK_WIDE, broad) : whole;
        const ck_tile_sums in_y = sums;
        if (is_cut) {
            memset(beside, 0, sizeof beside);
            ck_copy_sums(high, end - begin, in_y.from, in_y.from_row, beside, CK_WIDE);
            sums = (ck_tile_sums){beside, CK_WIDE, CK_WIDE, beside, CK_WIDE};
        }
        for (; col < end; col += CK_WIDE) {
            const float *next = is_cut ? NULL : col + 2 * CK_WIDE <= broad ? y + col + CK_WIDE : after;
            ck_multiply_tile(unit, height, how, count, &sides, tile, panel, &sums, next, c->y_row, aheads);
            panel += sides.panels.next;
            sums.from += sums.from_next;
            sums.to += CK_WIDE;
        }
        if (is_cut) {
            ck_copy_sums(high, end - begin, beside, CK_WIDE, in_y.to, in_y.to_row);
            sums = in_y;
            sums.from += sums.from_next;
            sums.to += CK_WIDE;
        }
    }
}

/* Units of depth: what tiles and panels have a row of. */
CK_INLINE int64_t ck_units(const ck_matmul *c, ck_range depth)
{
    return (depth.end - depth.begin + c->unit - 1) / c->unit;
}

static void ck_multiply_block(const ck_matmul *c, ck_range rows, ck_range cols, ck_range depth, ck_sides sides,
                              ck_aheads aheads)
{
    const int64_t count = ck_units(c, depth);
    const int is_first = depth.begin == 0;
    const float *tile = sides.tiles.first;
    int64_t height;
    for (int64_t row = rows.begin; row < rows.end; row += height) {
        height = ck_least(CK_TALL, rows.end - row);
        if (sides.how == CK_STORED && height < CK_TALL) {
            height = CK_LOW;
        }
        const ck_range few = {row, row + height};
        const int is_low = height <= CK_LOW;
        const int is_whole = few.end + CK_TALL <= rows.end && cols.end - cols.begin >= CK_WIDE;
        const float *after = is_whole ? c->y + few.end * c->y_row + cols.begin : NULL;
#define CK_MULTIPLY(unit, height, how)                                                                                 \
    ck_multiply_row(unit, height, how, c, few, cols, is_first, count, sides, tile, after, &aheads)
#if defined CK_HAS_PAIRS
        if (c->unit == 2 && is_low) {
            CK_MULTIPLY(2, CK_LOW, CK_COPIED);
        } else if (c->unit == 2) {
            CK_MULTIPLY(2, CK_TALL, CK_COPIED);
        } else
#endif
        if (sides.how == CK_COPIED && is_low) {
            CK_MULTIPLY(1, CK_LOW, CK_COPIED);
        } else if (sides.how == CK_COPIED) {
            CK_MULTIPLY(1, CK_TALL, CK_COPIED);
        } else if (sides.how == CK_ROWS_STORED) {
            CK_MULTIPLY(1, CK_TALL, CK_ROWS_STORED);
        } else if (is_low) {
            CK_MULTIPLY(1, CK_LOW, CK_STORED);
        } else {
            CK_MULTIPLY(1, CK_TALL, CK_STORED);
        }
#undef CK_MULTIPLY
        tile += sides.how == CK_STORED ? height : sides.tiles.next;
    }
}

/* Range `at` of `count` ranges of nearly equal size that divide `all`, in whole units but for the last. */
static ck_range ck_divide(ck_range all, int64_t unit, int64_t at, int64_t count)
{
    ck_range some;
    ck_share((all.end - all.begin + unit - 1) / unit, (int)at, (int)count, &some.begin, &some.end);
    some.begin = all.begin + some.begin * unit;
    some.end = ck_least(all.begin + some.end * unit, all.end);
    return some;
}

/* How many ranges of at most `most` items `all` needs; at least one. */
static int64_t ck_ranges(ck_range all, int64_t most)
{
    const int64_t items = all.end - all.begin;
    return items > most ? (items + most - 1) / most : 1;
}

/* Adds a unit to a size that is to be a multiple of it, as far as the room reaches. */
static int64_t ck_fitting(int64_t wanted, int64_t unit, int64_t room)
{
    return ck_least((wanted + unit - 1) / unit, room / unit) * unit;
}

/* What a part copies, and in which order: every block of every piece of depth, and to each of these every strip. */
typedef struct {
    ck_range rows, cols;
    int64_t pieces, blocks, strips;
} ck_field;

CK_INLINE int64_t ck_element_bytes(int format)
{
    return format == CK_F32 ? sizeof(float) : sizeof(uint16_t);
}

/* What is copied after the product of a strip and a block: a strip, or a block where one strip has all columns. */
static ck_ahead ck_next(const ck_matmul *c, const ck_field *field, int64_t piece, int64_t block, int64_t strip,
                        int64_t times)
{
    const int is_last = block + 1 == field->blocks && strip + 1 == field->strips;
    if (is_last && piece + 1 == field->pieces) {
        return (ck_ahead){0};
    }
    const ck_range depth = ck_divide((ck_range){0, c->depth}, c->unit, piece + is_last, field->pieces);
    if (field->strips == 1) {
        const ck_range rows = ck_divide(field->rows, CK_TALL, (block + 1) % field->blocks, field->blocks);
        const int64_t bytes = ck_element_bytes(c->a_format);
        return c->a_col == 1 ? ck_look_ahead(c->a, bytes, c->a_row, rows, depth, times)
                             : ck_look_ahead(c->a, bytes, c->a_col, depth, rows, times);
    }
    const ck_range cols = ck_divide(field->cols, CK_WIDE, (strip + 1) % field->strips, field->strips);
    const int64_t bytes = ck_element_bytes(c->b_format);
    return c->transposed ? ck_look_ahead(c->b, bytes, c->b_row, cols, depth, times)
                         : ck_look_ahead(c->b, bytes, c->b_row, depth, cols, times);
}

static void ck_copy_block(const ck_matmul *c, ck_range rows, ck_range depth, float *tiles)
{
#if defined CK_HAS_PAIRS
    if (c->unit == 2) {
        ck_copy_pair_tiles(c->a, c->a_row, c->a_col, rows, depth, tiles);
        return;
    }
#endif
    ck_copy_tiles(c->a_format, c->a, c->a_row, c->a_col, rows, depth, tiles);
}

static void ck_copy_strip(const ck_matmul *c, ck_range cols, ck_range depth, float *panels)
{
#if defined CK_HAS_PAIRS
    if (c->unit == 2) {
        ck_copy_pair_panels(c->transposed, c->b, c->b_row, cols, depth, panels);
        return;
    }
#endif
    ck_copy_panels(c->b_format, c->transposed, c->b, c->b_row, cols, depth, panels);
}

/* Whether the operands are read where they are: tiles and panels that reach out of them would be read as well. */
CK_INLINE int ck_is_direct(const ck_matmul *c)
{
    const int is_f32 = c->a_format == CK_F32 && c->b_format == CK_F32;
    const int is_whole = c->rows % CK_LOW == 0 && c->cols % CK_WIDE == 0;
    return is_f32 && c->a_row == 1 && !c->transposed && is_whole && c->rows + c->cols <= CK_NARROW;
}

/* y[rows, cols] from operands that are read where they are. */
static void ck_multiply_stored(const ck_matmul *c, ck_range rows, ck_range cols)
{
    const float *a = c->a, *b = c->b;
    const ck_range all = {0, c->depth};
    const int64_t pieces = ck_ranges(all, CK_NARROW_DEPTH);
    for (int64_t piece = 0; piece < pieces; piece++) {
        const ck_range depth = ck_divide(all, 1, piece, pieces);
        const ck_sides sides = {
            .how = CK_STORED,
            .tiles = {a + depth.begin * c->a_col + rows.begin, CK_TALL, 1, c->a_col},
            .panels = {b + depth.begin * c->b_row + cols.begin, CK_WIDE, 1, c->b_row},
        };
        ck_aheads aheads = {0};
        if (piece + 1 < pieces) {
            const ck_range next = ck_divide(all, 1, piece + 1, pieces);
            const int64_t times = ck_ranges(rows, CK_TALL) * ck_ranges(cols, CK_WIDE) * ck_ranges(depth, CK_STEPS);
            aheads.of[0] = ck_look_ahead(a, sizeof *a, c->a_col, next, rows, times);
            aheads.of[1] = ck_look_ahead(b, sizeof *b, c->b_row, next, cols, times);
        }
        ck_multiply_block(c, rows, cols, depth, sides, aheads);
    }
}

/* The end of the rows that are read where they lie: whole tiles. */
static int64_t ck_stored_end(const ck_matmul *c, ck_range rows, int64_t broad)
{
    const int is_stored = c->a_format == CK_F32 && c->a_col == 1 && broad <= CK_FEW_COLS;
    return is_stored ? rows.begin + (rows.end - rows.begin) / CK_TALL * CK_TALL : rows.begin;
}

static ck_side ck_tiles_of_rows(const ck_matmul *c, int64_t row, int64_t depth)
{
    const float *a = c->a;
    return (ck_side){c->a_format == CK_F32 ? a + row * c->a_row + depth : NULL, CK_TALL * c->a_row, c->a_row, 1};
}

/* y[rows, cols] with `room` elements of scratch. */
static void ck_multiply_field(const ck_matmul *c, ck_range rows, ck_range cols, float *scratch, int64_t room)
{
    const ck_range all = {0, c->depth};
    const int64_t high = rows.end - rows.begin, broad = cols.end - cols.begin;
    const ck_range units = {0, ck_units(c, all)};
    const int64_t pieces = ck_ranges(units, ck_least(CK_DEPTH, room / (CK_TALL + CK_WIDE)));
    const int64_t deepest = units.end ? (units.end + pieces - 1) / pieces : 1;
    const int64_t columns = room / deepest;
    const int64_t most_cols = ck_fitting(ck_least(broad, CK_STRIP / deepest), CK_WIDE, columns - CK_TALL);
    const int64_t strips = ck_ranges(cols, most_cols);
    const int64_t wanted = strips == 1 ? ck_least(high, CK_BLOCK_ROWS) : high;
    const int64_t most_rows = ck_fitting(wanted, CK_TALL, columns - most_cols);
    const ck_field field = {rows, cols, pieces, ck_ranges(rows, most_rows), strips};
    float *panels = scratch, *tiles = scratch + most_cols * deepest;
    for (int64_t piece = 0; piece < pieces; piece++) {
        const ck_range depth = ck_divide(all, c->unit, piece, pieces);
        for (int64_t block = 0; block < field.blocks; block++) {
            const ck_range some_rows = ck_divide(rows, CK_TALL, block, field.blocks);
            const int64_t end = ck_stored_end(c, some_rows, broad);
            const ck_range stored_rows = {some_rows.begin, end}, copied_rows = {end, some_rows.end};
            ck_copy_block(c, copied_rows, depth, tiles);
            for (int64_t strip = 0; strip < strips; strip++) {
                const ck_range some_cols = ck_divide(cols, CK_WIDE, strip, strips);
                if (strips > 1 || block == 0) {
                    ck_copy_strip(c, some_cols, depth, panels);
                }
                const int64_t count = ck_units(c, depth);
                const int64_t times = ck_ranges(some_rows, CK_TALL) * ck_ranges(some_cols, CK_WIDE) *
                                      ck_ranges((ck_range){0, count}, CK_STEPS);
                const ck_aheads aheads = {{ck_next(c, &field, piece, block, strip, times)}};
                const ck_side copied_panels = {panels, count * CK_WIDE, 1, CK_WIDE};
                const ck_sides stored = {CK_ROWS_STORED, ck_tiles_of_rows(c, some_rows.begin, depth.begin), copied_panels};
                const ck_sides copied = {CK_COPIED, {tiles, count * CK_TALL, 1, CK_TALL}, copied_panels};
                ck_multiply_block(c, stored_rows, some_cols, depth, stored, aheads);
                ck_multiply_block(c, copied_rows, some_cols, depth, copied, aheads);
            }
        }
    }
}

/* y[rows, cols] by a part, in its piece of the scratch: whole cache lines. Where that is too little the stack serves. */
static void ck_multiply_part(const ck_matmul *c, ck_range rows, ck_range cols, int part, int parts)
{
    const int64_t piece = c->room / parts / 16 * 16;
    if (piece >= CK_LEAST_ROOM) {
        ck_multiply_field(c, rows, cols, c->scratch + part * piece, piece);
    } else {
        float least[CK_LEAST_ROOM];
        ck_multiply_field(c, rows, cols, least, CK_LEAST_ROOM);
    }
}

/* The rows of a part, as other kernels of rows divide them. */
static void ck_multiply_rows(const ck_matmul *c, int part, int parts)
{
    ck_range rows;
    ck_share(c->rows, part, parts, &rows.begin, &rows.end);
    if (rows.begin < rows.end && c->cols > 0) {
        ck_multiply_part(c, rows, (ck_range){0, c->cols}, part, parts);
    }
}

/*
 * A part's field of a grid over y, whole tiles but for the last ones. Of all grids with as many fields as parts, or
 * fewer, the one whose largest field costs least. To copy a tile costs about as much as to multiply it with a panel, and
 * the other way round: a field counts with one more of each. To read them where they are costs less.
 */
static void ck_multiply_grid(const ck_matmul *c, int part, int parts)
{
    const int64_t tall = (c->rows + CK_TALL - 1) / CK_TALL, wide = (c->cols + CK_WIDE - 1) / CK_WIDE;
    const int is_direct = ck_is_direct(c);
    const int64_t more_rows = is_direct ? CK_LOW : CK_TALL, more_cols = is_direct ? CK_WIDE / 4 : CK_WIDE;
    int64_t down = 1, least_cost = INT64_MAX;
    for (int64_t d = 1; d <= parts; d++) {
        const int64_t across = ck_least(parts / d, c->bands);
        const int64_t high = ck_least((tall + d - 1) / d * CK_TALL, c->rows);
        const int64_t broad = ck_least((wide + across - 1) / across * CK_WIDE, c->cols);
        const int64_t cost = (high + more_rows) * (broad + more_cols);
        if (cost < least_cost) {
            down = d;
            least_cost = cost;
        }
    }
    const int64_t across = ck_least(parts / down, c->bands);
    if (part >= down * across || tall == 0 || wide == 0) {
        return;
    }
    const ck_range rows = ck_divide((ck_range){0, c->rows}, CK_TALL, part / across, down);
    const ck_range cols = ck_divide((ck_range){0, c->cols}, CK_WIDE, part % across, across);
    if (rows.begin >= rows.end || cols.begin >= cols.end) {
        return;
    }
    if (is_direct) {
        ck_multiply_stored(c, rows, cols);
    } else {
        ck_multiply_part(c, rows, cols, part, parts);
    }
}

static void ck_multiply(const ck_matmul *c, int part, int parts)
{
    if (c->bands == 1) {
        ck_multiply_rows(c, part, parts);
    } else {
        ck_multiply_grid(c, part, parts);
    }
}

/* Steps of depth that the target multiplies at once in these formats. */
CK_INLINE int ck_unit(const int a_format, const int b_format)
{
#if defined CK_HAS_PAIRS
    return a_format == CK_BF16 && b_format == CK_BF16 ? 2 : 1;
#else
    (void)a_format;
    (void)b_format;
    return 1;
#endif
}

/* op(a) and op(b) as they are, or transposed. */
#define CK_DEFINE_FORMS(dtypes, a_type, a_format, b_type, b_format)                                                    \
    CK_DEFINE_FORM(nn_##dtypes, a_type, a_format, aRow, 1, b_type, b_format, 0)                                        \
    CK_DEFINE_FORM(nt_##dtypes, a_type, a_format, aRow, 1, b_type, b_format, 1)                                        \
    CK_DEFINE_FORM(tn_##dtypes, a_type, a_format, 1, aRow, b_type, b_format, 0)                                        \
    CK_DEFINE_FORM(tt_##dtypes, a_type, a_format, 1, aRow, b_type, b_format, 1)

#define CK_DEFINE_FORM(name, a_type, a_format, a_row, a_col, b_type, b_format, transposed)                             \
    void ck_matmul_fwd_##name(int part, int parts, int64_t rows, int64_t cols, int64_t depth, int64_t bands,           \
                              int64_t room, int64_t aRow, int64_t bRow, int64_t sumRow, int64_t yRow,                  \
                              const a_type *restrict a, const b_type *restrict b, const float *sum, float *y,          \
                              float *restrict scratch)                                                                 \
    {                                                                                                                  \
        const int unit = ck_unit(a_format, b_format);                                                                  \
        const ck_matmul c = {unit,       rows, cols, depth, a_format, a,      a_row, a_col, b_format,                  \
                             transposed, b,    bRow, bands, sum,      sumRow, y,     yRow,  scratch, room};            \
        ck_multiply(&c, part, parts);                                                                                  \
    }

CK_DEFINE_FORMS(f32, float, CK_F32, float, CK_F32)
CK_DEFINE_FORMS(f16, float, CK_F32, uint16_t, CK_F16)
CK_DEFINE_FORMS(bf16, float, CK_F32, uint16_t, CK_BF16)
CK_DEFINE_FORMS(bf16_f32, uint16_t, CK_BF16, float, CK_F32)
CK_DEFINE_FORMS(bf16_bf16, uint16_t, CK_BF16, uint16_t, CK_BF16)
