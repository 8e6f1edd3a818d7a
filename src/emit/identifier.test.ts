import { describe, expect, it } from 'vitest'
import { commentText, defineLines, identifier, stringLiteral, wrapCall } from './identifier.ts'

describe('names and texts in C', () => {
  it('identifiers keep the words of a name', () => {
    expect(identifier('blk.*.attn_q+k+v')).toBe('attn_q_k_v')
    expect(identifier('blk.0.attn_norm')).toBe('blk_0_attn_norm')
    expect(identifier('3.x')).toBe('_3_x')
    expect(identifier('')).toBe('_')
  })

  it('string literals are ASCII and hold no trigraph', () => {
    expect(stringLiteral('a"b\\c??/é\n')).toBe('"a\\042b\\134c\\077\\077/\\303\\251\\012"')
  })

  it('comments cannot be ended, nested, continued or turned around', () => {
    expect(commentText('a*/b/*c')).toBe('a* /b/ *c')
    expect(commentText('/*/')).not.toMatch(/\/\*|\*\//)
    expect(commentText('*/*/')).not.toMatch(/\/\*|\*\//)
    expect(commentText('line\nline\\')).toBe('line?line?')
    expect(commentText('right\u202eleft\u0000')).toBe('right?left?')
    expect(commentText('Größe 模型')).toBe('Größe 模型')
  })

  it('calls break after a comma at 120 columns', () => {
    const args = Array.from({ length: 30 }, (_, i) => `argument_${i}`)
    const lines = wrapCall('    ', 'ck_kernel', args).split('\n')
    expect(lines.length).toBe(4)
    expect(lines.every((line) => line.length <= 120)).toBe(true)
    expect(lines.slice(1).every((line) => line.startsWith(' '.repeat(14)) && line[14] !== ' ')).toBe(true)
    expect(lines.join(' ').replace(/\s+/g, ' ')).toBe(` ck_kernel(${args.join(', ')});`)
  })

  it('definitions stand in columns', () => {
    expect(
      defineLines([
        ['A', '5', 'five'],
        ['LONG', '1000', 'more'],
      ]),
    ).toEqual(['#define A       5 /* five */', '#define LONG 1000 /* more */'])
    expect(defineLines([])).toEqual([])
  })
})
