import { expect, it } from 'vitest'
import { printHeader } from './printHeader.ts'
import { familyNames, kernelsOf } from './registry.ts'

it('prints prototypes with shapes, strides and what may be in place', () => {
  expect(printHeader('softmax')).toBe(`/* softmax.h: printed from the kernel declarations of the family softmax. */
#ifndef CK_SOFTMAX_H
#define CK_SOFTMAX_H

#include <stdint.h>

/* x: read f32 [rows, cols], stride xRow
 * y: write f32 [rows, cols], stride yRow
 * in place: y = x
 * split over rows */
void ck_softmax_fwd_f32(
    int part, int parts,
    int64_t rows, int64_t cols, int64_t xRow, int64_t yRow,
    const float *x,
    float *y);

#endif
`)
})

it('names every buffer, dim and attribute of every kernel', () => {
  for (const family of familyNames) {
    const header = printHeader(family)
    for (const kernel of kernelsOf(family)) {
      const prototype = header.slice(header.indexOf(`void ck_${kernel.name}(`)).split(';')[0]
      for (const name of [...kernel.dims, ...Object.keys(kernel.attributes), ...Object.keys(kernel.buffers)])
        expect(prototype, kernel.name).toMatch(new RegExp(`\\b${name}[,)]`))
    }
  }
})

it('has the dtypes that are called, of all kernels that differ by them', () => {
  const called = kernelsOf('linear').filter(({ name }) => ['linear_fwd_q6_K', 'linearGlu_fwd_f16'].includes(name))
  const header = printHeader('linear', called)
  expect(header.match(/(?<=void ck_)\w+/g)).toEqual([
    ...['linear_fwd_f16', 'linear_fwd_q6_K', 'linearGlu_fwd_f16', 'linearGlu_fwd_q6_K'],
  ])
  expect(header).toContain('#define CK_LINEAR_FLOATS(DO) \\\n    DO(f16, uint16_t, CK_F16)\n')
  expect(header).toContain('#define CK_LINEAR_BLOCKS(DO) \\\n    DO(q6_K, uint8_t, CK_Q6_K)\n')
  expect(printHeader('attention', [])).toContain('ck_attentionMerge_fwd_f32')
})

it('says restrict exactly where no in-place pair names the buffer', () => {
  const header = printHeader('linear')
  expect(header).toContain('const float *restrict x')
  expect(printHeader('norm')).toContain('const float *restrict gain')
  expect(printHeader('norm')).not.toContain('restrict x')
})
