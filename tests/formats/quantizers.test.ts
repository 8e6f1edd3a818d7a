import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { decodeTensor, dtypes, type WeightDtype, weightDtypes, weightRows } from '../../src/base/dtypes.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { demoTensors, type QuantizerTensor, quantizerTensors, relativeError } from './quantizerTensors.mjs'

const at = (path: string) => new URL(path, import.meta.url).pathname
const recorded: {
  errors: { [dtype: string]: { [tensor: string]: readonly [number, number] } }
} = JSON.parse(readFileSync(at('goldens/llama.cpp-errors.json'), 'utf8'))

function readDemo(): ReadonlyMap<string, Float32Array> {
  const checkpoint = openCheckpoint(at('../../models/demo.gguf'))
  try {
    return new Map(
      Object.keys(demoTensors).map((name) => {
        const record = checkpoint.tensors.get(name)!
        const elements = record.shape.reduce((product, dim) => product * dim, 1)
        return [name, Float32Array.from(decodeTensor(record.dtype, checkpoint.read(record), elements))]
      }),
    )
  } finally {
    checkpoint.close()
  }
}

const tensors = quantizerTensors(readDemo())
const formats = weightDtypes.filter((dtype) => dtype !== 'f32')

/** The bytes of a matrix in a format. */
function encode(
  dtype: WeightDtype,
  tensor: Pick<QuantizerTensor, 'rows' | 'cols' | 'values'>,
  importance?: Float32Array,
) {
  const { blockBytes, blockElements, encoder } = weightRows[dtype]
  const blocks = tensor.cols / blockElements
  const bytes = new Uint8Array(tensor.rows * blocks * blockBytes)
  const encodeBlocks = encoder(true)
  for (let row = 0; row < tensor.rows; row++) {
    encodeBlocks(tensor.values, row * tensor.cols, blocks, importance, bytes, row * blocks * blockBytes)
  }
  return bytes
}

describe.each(formats)('%s', (dtype) => {
  const { blockElements, blockBytes } = dtypes[dtype]

  it("has no more error than llama.cpp's quantiser, with importance weights and without", () => {
    const row = recorded.errors[dtype]!
    const fitting = tensors.filter(({ cols }) => cols % blockElements === 0)
    expect(Object.keys(row)).toEqual(fitting.map(({ name }) => name))
    for (const tensor of fitting) {
      for (const [which, importance] of [undefined, tensor.importance].entries()) {
        const found = decodeTensor(dtype, encode(dtype, tensor, importance), tensor.values.length)
        const error = relativeError(tensor, found, importance)
        // The recorded figures have six digits.
        expect(error, `${tensor.name}, ${which ? 'weighted' : 'plain'}`).toBeLessThanOrEqual(
          row[tensor.name]![which]! * 1.00001,
        )
      }
    }
  })

  it('keeps zeros, and numbers too small for its scales become zero', () => {
    for (const value of [0, -0, 1e-30]) {
      const values = new Float32Array(blockElements).fill(value)
      const found = decodeTensor(dtype, encode(dtype, { rows: 1, cols: blockElements, values }), blockElements)
      for (const number of found) expect(Math.abs(number)).toBeLessThanOrEqual(1e-29)
    }
  })

  it('gives finite values for the largest that it holds, and an infinity beyond', () => {
    const largest = dtype === 'bf16' || dtype === 'mxfp4' ? 3e38 : 60000
    const values = Float32Array.from({ length: blockElements }, (_, i) => (i % 2 ? largest : -largest / 2))
    const found = decodeTensor(dtype, encode(dtype, { rows: 1, cols: blockElements, values }), blockElements)
    for (const number of found) expect(Number.isFinite(number)).toBe(true)
  })

  it('writes every block by itself: the bytes of a row are those of its blocks', () => {
    const { values } = tensors[0]!
    const whole = encode(dtype, { rows: 1, cols: 2 * blockElements, values })
    const second = encode(dtype, { rows: 1, cols: blockElements, values: values.subarray(blockElements) })
    expect(whole.subarray(blockBytes)).toEqual(second)
  })
})
