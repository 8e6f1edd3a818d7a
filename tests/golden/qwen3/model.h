/* model.h: sizes of this model, and where its inputs and outputs lie. The interface to call is ck.h. */
#ifndef MODEL_H
#define MODEL_H

#include "ck.h"
#include "program.h"

#define MODEL_VOCABULARY     97
#define MODEL_CONTEXT        512
#define MODEL_PREFILL_TOKENS 8
#define MODEL_DECODE_TOKENS  1
#define MODEL_OUTPUT_ROWS    8

/* Bytes from the start of the context's memory. */
#define MODEL_IDS          589824u /* i32 [tokens] */
#define MODEL_POSITIONS    589888u /* i32 [tokens] */
#define MODEL_OUTPUT_INDEX 589952u /* i32 [outputs] */
#define MODEL_SEQUENCES    590016u /* i32 [tokens] */
#define MODEL_LOGITS       590080u /* f32 [outputs, 97] */

#endif
