/* runs.h: the tokens of a step that continue one sequence. */
#ifndef CK_RUNS_H
#define CK_RUNS_H

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

#endif
