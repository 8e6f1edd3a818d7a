/* runs.h: the tokens of a step that belong to one sequence. */
#ifndef CK_RUNS_H
#define CK_RUNS_H

#include <stddef.h>
#include <stdint.h>

/* The end of the run that begins with token `first`: tokens that follow each other in one sequence. A token at position 0
 * begins its sequence anew, and with it a run. */
static inline int64_t ck_run_end(int64_t first, int64_t tokens, const int32_t *positions, const int32_t *sequences)
{
    int64_t end = first + 1;
    while (end < tokens && sequences[end] == sequences[first] && positions[end] != 0) {
        end++;
    }
    return end;
}

/* The end of the sequence whose first token is `first`, of a row of the batch that ends at `row_end`. starts: the row at
 * which the sequence of each token begins; NULL: none begins within a row of the batch. */
static inline int64_t ck_sequence_end(int64_t first, int64_t row_end, const int32_t *starts)
{
    if (starts == NULL) {
        return row_end;
    }
    int64_t end = first + 1;
    while (end < row_end && starts[end] != end) {
        end++;
    }
    return end;
}

#endif
